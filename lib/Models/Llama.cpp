//===- Llama.cpp - A Llama-like model as an ONNX graph --------------------===//

#include "Models/ModelGraphs.h"

#include <cmath>

namespace fp8c {

namespace {
struct Llama {
  const ModelOptions &o;
  GraphBuilder &g;
  const int64_t d = o.dModel;

  /// What every RotaryEmbedding is given after its x: cos, sin, position_ids.
  std::vector<std::string> rope = {};

  std::string rmsNorm(const std::string &name, const std::string &x) {
    return g.node("RMSNormalization", name,
                  {x, g.parameter(name + ".weight", {d}, Init::constant(1))},
                  {{"axis", -1}, {"epsilon", 1e-5f}});
  }

  /// x [batch, seq, in] → x W [batch, seq, out].
  std::string linear(const std::string &name, const std::string &x, int64_t in,
                     int64_t out, Init init, const std::string &result = "") {
    std::string weight = g.parameter(name + ".weight", {in, out}, init);
    return g.node("MatMul", name, {x, weight}, {}, result);
  }

  /// cos and sin of position · 10000^(-2 i / headDim), each [seq, headDim / 2].
  /// The operator wants positions [batch, seq] and broadcasts nothing, so they
  /// are expanded to the shape of `tokens`.
  void buildRope(const std::string &tokens) {
    int64_t half = o.headDim() / 2;
    std::vector<float> cos(o.seq * half), sin(o.seq * half);
    std::vector<int64_t> positions(o.seq);
    for (int64_t t = 0; t < o.seq; ++t) {
      positions[t] = t;
      for (int64_t i = 0; i < half; ++i) {
        double angle = t * std::pow(10000.0, -double(i) / half);
        cos[t * half + i] = float(std::cos(angle));
        sin[t * half + i] = float(std::sin(angle));
      }
    }
    std::string row = g.constant("rope.positions", {1, o.seq}, positions);
    std::string shape = g.node("Shape", "rope.shape", {tokens});
    rope = {g.constant("rope.cos", {o.seq, half}, cos),
            g.constant("rope.sin", {o.seq, half}, sin),
            g.node("Expand", "rope.position_ids", {row, shape})};
  }

  std::string rotate(const std::string &x, int64_t heads) {
    return g.node("RotaryEmbedding", x + ".rope",
                  {x, rope[0], rope[1], rope[2]}, {{"num_heads", heads}});
  }

  std::string attention(const std::string &attn, const std::string &x) {
    int64_t kv = o.keyValueHeads() * o.headDim();
    std::string q =
        linear(attn + "/q", x, d, d, weightInit()); // [batch, seq, d]
    std::string k =
        linear(attn + "/k", x, d, kv, weightInit()); // [batch, seq, kv]
    std::string v =
        linear(attn + "/v", x, d, kv, weightInit()); // [batch, seq, kv]
    std::string y =
        g.node("Attention", attn,
               {rotate(q, o.heads), rotate(k, o.keyValueHeads()), v},
               {{"is_causal", 1},
                {"q_num_heads", o.heads},
                {"kv_num_heads", o.keyValueHeads()}});
    return linear(attn + "/proj", y, d, d, residualInit(o));
  }

  /// SwiGLU: (g · sigmoid(g)) · u, down again to the width of the model.
  std::string mlp(const std::string &mlp, const std::string &x) {
    int64_t ffn = o.ffnWidth();
    std::string gate = linear(mlp + "/gate", x, d, ffn, weightInit());
    std::string up = linear(mlp + "/up", x, d, ffn, weightInit());
    std::string sigmoid = g.node("Sigmoid", mlp + "/sigmoid", {gate});
    std::string silu = g.node("Mul", mlp + "/silu", {gate, sigmoid});
    std::string y = g.node("Mul", mlp + "/swiglu", {silu, up});
    return linear(mlp + "/down", y, ffn, d, residualInit(o));
  }

  std::string layer(const std::string &h, std::string x) {
    std::string y = attention(h + "/attn", rmsNorm(h + "/ln_1", x));
    x = g.node("Add", h + "/attn/residual", {x, y});
    y = mlp(h + "/mlp", rmsNorm(h + "/ln_2", x));
    return g.node("Add", h + "/mlp/residual", {x, y});
  }

  void build() {
    std::string tokens =
        g.input("tokens", onnx::TensorProto::INT64, {o.seq}); // [batch, seq]
    std::string wte = g.parameter("wte.weight", {o.vocab, d}, weightInit());
    std::string x = g.node("Gather", "wte", {wte, tokens}); // [batch, seq, d]
    buildRope(tokens);
    for (int64_t i = 0; i < o.layers; ++i)
      x = layer("h." + std::to_string(i), x);
    x = rmsNorm("ln_f", x);
    std::string logits =
        linear("lm_head", x, d, o.vocab, weightInit(), "logits");
    g.output(logits, onnx::TensorProto::FLOAT, {o.seq, o.vocab});
  }
};
} // namespace

void buildLlama(const ModelOptions &options, GraphBuilder &graph) {
  Llama{options, graph}.build();
}

} // namespace fp8c
