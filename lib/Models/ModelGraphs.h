//===- ModelGraphs.h - The graphs of the model families ---------*- C++ -*-===//
//
// Each function fills `graph` with one family's forward pass, from `tokens`
// int64 [batch, seq] to `logits` f32 [batch, seq, vocab], in operators of opset
// 23. `options` must have passed checkModelOptions.
//
// Node names are paths: `h.0/attn/qkv`. A parameter is its node's name and
// `.weight` or `.bias`; a value has its node's name, except that the Add of a
// bias, named as the bias is, gives `….biased`.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_MODELS_MODELGRAPHS_H
#define FP8C_MODELS_MODELGRAPHS_H

#include "Models/GraphBuilder.h"
#include "Models/ModelOptions.h"

namespace fp8c {

void buildGPT(const ModelOptions &options, GraphBuilder &graph);
void buildLlama(const ModelOptions &options, GraphBuilder &graph);

} // namespace fp8c

#endif // FP8C_MODELS_MODELGRAPHS_H
