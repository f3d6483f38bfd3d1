//===- InitNodes.h - Parameters as nodes that draw them ---------*- C++ -*-===//

#ifndef FP8C_MODELS_INITNODES_H
#define FP8C_MODELS_INITNODES_H

#include "Models/GraphBuilder.h"

namespace fp8c {

/// Gives every parameter of the graph a node that makes its first value:
/// RandomNormal, or ConstantOfShape. Such a graph is a few kilobytes a layer,
/// whatever its width.
void addInitNodes(GraphBuilder &builder, uint64_t seed);

} // namespace fp8c

#endif // FP8C_MODELS_INITNODES_H
