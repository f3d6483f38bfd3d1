//===- GPT.cpp - GPT-2 and GPT-3 as an ONNX graph -------------------------===//
//
// GPT-3 alternates dense and locally banded sparse attention; here every
// layer's attention is dense, and the two families differ in size only.
//
//===----------------------------------------------------------------------===//

#include "Models/ModelGraphs.h"

namespace fp8c {

namespace {
struct GPT {
  const ModelOptions &o;
  GraphBuilder &g;
  const int64_t d = o.dModel;

  std::string layerNorm(const std::string &name, const std::string &x) {
    return g.node("LayerNormalization", name,
                  {x, g.parameter(name + ".weight", {d}, Init::constant(1)),
                   g.parameter(name + ".bias", {d}, Init::constant(0))},
                  {{"axis", -1}, {"epsilon", 1e-5f}});
  }

  /// x [batch, seq, in] → x W + b [batch, seq, out].
  std::string linear(const std::string &name, const std::string &x, int64_t in,
                     int64_t out, Init init) {
    std::string weight = g.parameter(name + ".weight", {in, out}, init);
    std::string bias = g.parameter(name + ".bias", {out}, Init::constant(0));
    std::string product = g.node("MatMul", name, {x, weight});
    return g.node("Add", bias, {product, bias}, {}, name + ".biased");
  }

  std::string attention(const std::string &attn, std::string x) {
    x = linear(attn + "/qkv", x, d, 3 * d, weightInit()); // [batch, seq, 3 d]
    auto qkv = g.split(attn + "/split", x, /*axis=*/2,
                       {".q", ".k", ".v"}); // each [batch, seq, d]
    x = g.node("Attention", attn, qkv,
               {{"is_causal", 1},
                {"q_num_heads", o.heads},
                {"kv_num_heads", o.heads}});
    return linear(attn + "/proj", x, d, d, residualInit(o));
  }

  std::string mlp(const std::string &mlp, std::string x) {
    int64_t ffn = o.ffnWidth();
    if (o.mlpKind() == MLP::SwiGLU) {
      std::string gate = linear(mlp + "/gate", x, d, ffn, weightInit());
      std::string up = linear(mlp + "/up", x, d, ffn, weightInit());
      return linear(mlp + "/down", buildSwiGLU(g, mlp, gate, up), ffn, d,
                    residualInit(o));
    }
    x = linear(mlp + "/fc", x, d, ffn, weightInit()); // [batch, seq, ffn]
    x = g.node("Gelu", mlp + "/gelu", {x}, {{"approximate", "tanh"}});
    return linear(mlp + "/proj", x, ffn, d, residualInit(o));
  }

  std::string layer(const std::string &h, std::string x) {
    std::string y = attention(h + "/attn", layerNorm(h + "/ln_1", x));
    x = g.node("Add", h + "/attn/residual", {x, y});
    y = mlp(h + "/mlp", layerNorm(h + "/ln_2", x));
    return g.node("Add", h + "/mlp/residual", {x, y});
  }

  void build() {
    std::string tokens =
        g.input("tokens", onnx::TensorProto::INT64, {o.seq}); // [batch, seq]
    std::string wte = g.parameter("wte.weight", {o.vocab, d}, weightInit());
    std::string wpe = g.parameter("wpe.weight", {o.seq, d}, weightInit());
    std::string x = g.node("Gather", "wte", {wte, tokens}); // [batch, seq, d]
    x = g.node("Add", "wpe", {x, wpe});
    for (int64_t i = 0; i < o.layers; ++i)
      x = layer("h." + std::to_string(i), x);
    x = layerNorm("ln_f", x);
    buildHead(o, g, x, wte);
  }
};
} // namespace

void buildGPT(const ModelOptions &options, GraphBuilder &graph) {
  GPT{options, graph}.build();
}

} // namespace fp8c
