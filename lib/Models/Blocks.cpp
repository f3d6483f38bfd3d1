//===- Blocks.cpp - What model families have in common --------------------===//

#include "Models/ModelGraphs.h"

namespace fp8c {

std::string buildSwiGLU(GraphBuilder &graph, const std::string &mlp,
                        const std::string &gate, const std::string &up) {
  std::string sigmoid = graph.node("Sigmoid", mlp + "/sigmoid", {gate});
  std::string silu = graph.node("Mul", mlp + "/silu", {gate, sigmoid});
  return graph.node("Mul", mlp + "/swiglu", {silu, up});
}

void buildHead(const ModelOptions &options, GraphBuilder &graph,
               const std::string &x, const std::string &wte) {
  std::string weight =
      options.isTied()
          ? graph.node("Transpose", "lm_head.transpose", {wte})
          : graph.parameter("lm_head.weight", {options.dModel, options.vocab},
                            weightInit());
  std::string logits =
      graph.node("MatMul", "lm_head", {x, weight}, {}, "logits");
  graph.output(logits, onnx::TensorProto::FLOAT, {options.seq, options.vocab});
}

} // namespace fp8c
