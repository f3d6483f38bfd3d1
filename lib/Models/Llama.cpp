//===- Llama.cpp - Llama and Qwen as an ONNX graph ------------------------===//
//
// Qwen3's dense models are Llama with an RMSNorm of every query and key head
// before it is rotated (arXiv 2505.09388, section 2), with heads that need not
// divide the width, and with other constants.
//
//===----------------------------------------------------------------------===//

#include "Models/ModelGraphs.h"

#include <cmath>

namespace fp8c {

namespace {
struct Llama {
  const ModelOptions &o;
  GraphBuilder &g;
  const bool isQwen = o.family == ModelFamily::Qwen;
  const double theta = isQwen ? 1e6 : 1e4;      // of the rotations
  const float epsilon = isQwen ? 1e-6f : 1e-5f; // of norms
  const int64_t d = o.dModel;

  /// What every RotaryEmbedding is given after its x: cos, sin, position_ids.
  std::vector<std::string> rope = {};

  std::string rmsNorm(const std::string &name, const std::string &x,
                      int64_t width) {
    std::string weight =
        g.parameter(name + ".weight", {width}, Init::constant(1));
    return g.node("RMSNormalization", name, {x, weight},
                  {{"axis", -1}, {"epsilon", epsilon}});
  }

  /// Qwen's norm of every head of x [batch, seq, heads · headDim].
  std::string headNorm(const std::string &name, const std::string &x) {
    std::string heads = g.node("Reshape", name + ".heads", {x, "heads.split"});
    std::string y = rmsNorm(name, heads, o.headDim());
    return g.node("Reshape", name + ".merged", {y, "heads.merge"});
  }

  /// x [batch, seq, in] → x W [batch, seq, out].
  std::string linear(const std::string &name, const std::string &x, int64_t in,
                     int64_t out, Init init) {
    std::string weight = g.parameter(name + ".weight", {in, out}, init);
    return g.node("MatMul", name, {x, weight});
  }

  /// cos and sin of position · θ^(-2 i / headDim), each [seq, headDim / 2].
  /// The operator wants positions [batch, seq] and broadcasts nothing, so they
  /// are expanded to the shape of `tokens`.
  void buildRope(const std::string &tokens) {
    int64_t half = o.headDim() / 2;
    std::vector<float> cos(o.seq * half), sin(o.seq * half);
    std::vector<int64_t> positions(o.seq);
    for (int64_t t = 0; t < o.seq; ++t) {
      positions[t] = t;
      for (int64_t i = 0; i < half; ++i) {
        double angle = t * std::pow(theta, -double(i) / half);
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

  std::string rotate(const std::string &name, const std::string &x,
                     int64_t heads) {
    return g.node("RotaryEmbedding", name + ".rope",
                  {x, rope[0], rope[1], rope[2]}, {{"num_heads", heads}});
  }

  std::string attention(const std::string &attn, const std::string &x) {
    int64_t inner = o.heads * o.headDim();
    int64_t kv = o.keyValueHeads() * o.headDim();
    std::string q =
        linear(attn + "/q", x, d, inner, weightInit()); // [batch, seq, inner]
    std::string k =
        linear(attn + "/k", x, d, kv, weightInit()); // [batch, seq, kv]
    std::string v =
        linear(attn + "/v", x, d, kv, weightInit()); // [batch, seq, kv]
    if (isQwen) {
      q = headNorm(attn + "/q_norm", q);
      k = headNorm(attn + "/k_norm", k);
    }
    q = rotate(attn + "/q", q, o.heads);
    k = rotate(attn + "/k", k, o.keyValueHeads());
    std::string y = g.node("Attention", attn, {q, k, v},
                           {{"is_causal", 1},
                            {"q_num_heads", o.heads},
                            {"kv_num_heads", o.keyValueHeads()}});
    return linear(attn + "/proj", y, inner, d, residualInit(o));
  }

  /// SwiGLU: (g · sigmoid(g)) · u, down again to the width of the model.
  std::string mlp(const std::string &mlp, const std::string &x) {
    int64_t ffn = o.ffnWidth();
    std::string gate = linear(mlp + "/gate", x, d, ffn, weightInit());
    std::string up = linear(mlp + "/up", x, d, ffn, weightInit());
    std::string y = buildSwiGLU(g, mlp, gate, up);
    return linear(mlp + "/down", y, ffn, d, residualInit(o));
  }

  std::string layer(const std::string &h, std::string x) {
    std::string y = attention(h + "/attn", rmsNorm(h + "/ln_1", x, d));
    x = g.node("Add", h + "/attn/residual", {x, y});
    y = mlp(h + "/mlp", rmsNorm(h + "/ln_2", x, d));
    return g.node("Add", h + "/mlp/residual", {x, y});
  }

  void build() {
    std::string tokens =
        g.input("tokens", onnx::TensorProto::INT64, {o.seq}); // [batch, seq]
    std::string wte = g.parameter("wte.weight", {o.vocab, d}, weightInit());
    std::string x = g.node("Gather", "wte", {wte, tokens}); // [batch, seq, d]
    buildRope(tokens);
    if (isQwen) { // Reshape keeps a dimension where it reads 0
      g.constant("heads.split", {4}, Shape{0, 0, -1, o.headDim()});
      g.constant("heads.merge", {3}, Shape{0, 0, -1});
    }
    for (int64_t i = 0; i < o.layers; ++i)
      x = layer("h." + std::to_string(i), x);
    buildHead(o, g, rmsNorm("ln_f", x, d), wte);
  }
};
} // namespace

void buildLlama(const ModelOptions &options, GraphBuilder &graph) {
  Llama{options, graph}.build();
}

} // namespace fp8c
