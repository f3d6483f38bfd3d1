//===- ModelGraphs.h - The graphs of the model families ---------*- C++ -*-===//
//
// Each function fills `graph` with one family's forward pass, from `tokens`
// int64 [batch, seq] to `logits` f32 [batch, seq, vocab], in operators of opset
// 23. `options` must have passed checkModelOptions.
//
// Node names are paths: `h.0/attn/qkv`. A parameter is its node's name and
// `.weight` or `.bias`; a value has its node's name. Three kinds of nodes share
// a name with no value: the Add of a bias is named as the bias is and gives
// `….biased`, the node that draws a parameter is `….init`, and `lm_head` gives
// `logits`.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_MODELS_MODELGRAPHS_H
#define FP8C_MODELS_MODELGRAPHS_H

#include "Models/GraphBuilder.h"
#include "Models/ModelOptions.h"

#include <cmath>

namespace fp8c {

/// Of embeddings and weights.
inline Init weightInit() { return Init::normal(0.02); }

/// Of the weights whose products are added to the residual stream, twice a
/// layer: with this the stream's variance does not grow with the depth.
inline Init residualInit(const ModelOptions &options) {
  return Init::normal(0.02 / std::sqrt(2.0 * options.layers));
}

/// Appends silu(gate) · up to a layer's MLP, named `mlp`, and returns it.
std::string buildSwiGLU(GraphBuilder &graph, const std::string &mlp,
                        const std::string &gate, const std::string &up);

/// Appends the product of x [batch, seq, dModel] and the head's weight, the
/// embedding `wte` where it is tied, as the graph's output.
void buildHead(const ModelOptions &options, GraphBuilder &graph,
               const std::string &x, const std::string &wte);

void buildGPT(const ModelOptions &options, GraphBuilder &graph);
/// Llama and Qwen.
void buildLlama(const ModelOptions &options, GraphBuilder &graph);

} // namespace fp8c

#endif // FP8C_MODELS_MODELGRAPHS_H
