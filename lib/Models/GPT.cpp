//===- GPT.cpp - GPT-2 and GPT-3 as an ONNX graph -------------------------===//
//
// GPT-3 alternates dense and locally banded sparse attention; here every
// layer's attention is dense, and the two families differ in size only.
//
//===----------------------------------------------------------------------===//

#include "Models/ModelGraphs.h"

#include <cmath>

namespace fp8c {

namespace {
struct GPT {
  const ModelOptions &o;
  GraphBuilder &g;
  const int64_t d = o.dModel;
  const double std = 0.02;
  /// Every layer adds two results to the residual stream: with this its
  /// variance does not grow with the depth.
  const double residualStd = std / std::sqrt(2.0 * o.layers);

  std::string layerNorm(const std::string &name, const std::string &x) {
    return g.node("LayerNormalization", name,
                  {x, g.parameter(name + ".weight", {d}, Init::constant(1)),
                   g.parameter(name + ".bias", {d}, Init::constant(0))},
                  {{"axis", -1}, {"epsilon", 1e-5f}});
  }

  /// x [batch, seq, in] → x W + b [batch, seq, out].
  std::string linear(const std::string &name, const std::string &x, int64_t in,
                     int64_t out, double weightStd) {
    std::string weight =
        g.parameter(name + ".weight", {in, out}, Init::normal(weightStd));
    std::string bias = g.parameter(name + ".bias", {out}, Init::constant(0));
    std::string product = g.node("MatMul", name, {x, weight});
    return g.node("Add", bias, {product, bias}, {}, name + ".biased");
  }

  std::string attention(const std::string &attn, std::string x) {
    x = linear(attn + "/qkv", x, d, 3 * d, std); // [batch, seq, 3 d]
    auto qkv = g.split("Split", attn + "/split", {x},
                       {{"axis", 2}, {"num_outputs", 3}},
                       {".q", ".k", ".v"}); // each [batch, seq, d]
    x = g.node("Attention", attn, qkv,
               {{"is_causal", 1},
                {"q_num_heads", o.heads},
                {"kv_num_heads", o.heads}});
    return linear(attn + "/proj", x, d, d, residualStd);
  }

  std::string mlp(const std::string &mlp, std::string x) {
    int64_t ffn = o.ffnWidth();
    x = linear(mlp + "/fc", x, d, ffn, std); // [batch, seq, ffn]
    x = g.node("Gelu", mlp + "/gelu", {x}, {{"approximate", "tanh"}});
    return linear(mlp + "/proj", x, ffn, d, residualStd);
  }

  std::string embed(const std::string &wte) {
    std::string tokens =
        g.input("tokens", onnx::TensorProto::INT64, {o.seq}); // [batch, seq]
    std::string x = g.node("Gather", "wte", {wte, tokens});   // [batch, seq, d]
    std::string wpe = g.parameter("wpe.weight", {o.seq, d}, Init::normal(std));
    return g.node("Add", "wpe", {x, wpe});
  }

  void build() {
    std::string wte =
        g.parameter("wte.weight", {o.vocab, d}, Init::normal(std));
    std::string x = embed(wte);
    for (int64_t i = 0; i < o.layers; ++i) {
      std::string h = "h." + std::to_string(i);
      std::string y = attention(h + "/attn", layerNorm(h + "/ln_1", x));
      x = g.node("Add", h + "/attn/residual", {x, y});
      y = mlp(h + "/mlp", layerNorm(h + "/ln_2", x));
      x = g.node("Add", h + "/mlp/residual", {x, y});
    }
    x = layerNorm("ln_f", x);
    std::string head = g.node("Transpose", "lm_head.transpose", {wte});
    std::string logits = g.node("MatMul", "lm_head", {x, head}, {}, "logits");
    g.output(logits, onnx::TensorProto::FLOAT, {o.seq, o.vocab});
  }
};
} // namespace

void buildGPT(const ModelOptions &options, GraphBuilder &graph) {
  GPT{options, graph}.build();
}

} // namespace fp8c
