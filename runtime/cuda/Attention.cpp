//===- Attention.cpp - Attention by cuDNN ---------------------------------===//
//
// What cuDNN 9.10 to 9.15.0 get wrong, and so what is done here:
//
// - Sequences that are no multiple of 128: the backward kernels read and write
//   out of bounds without a padding mask (mended in 9.15.1, says the frontend's
//   1.16 release), and scores below -88.7 give NaN where the last tile is half
//   full (still so in 9.26). The frontend adds such a mask from 1.15 on, but
//   copies its lengths from host memory that is gone when a CUDA graph is
//   replayed. So the mask is ours, with lengths on the device, for every
//   version.
// - Of a sequence without any key (9.14) the results are not always written, so
//   lengths are at least 1 here, and those results are cleared by the caller.
// - A bias that is the same for all queries gives wrong gradients, and one that
//   is the same for all keys a wrong lse (the frontend takes the number of keys
//   from it). The caller writes the first one out; kernels of ours do the
//   second, and a window of padded keys, which may leave a query none.
// - The frontend puts cuDNN's workspace right behind tensors of its own,
//   wherever that is. Ours starts at a multiple of 256 bytes.
//
//===----------------------------------------------------------------------===//

#include "kernels/cuda/library.h"

#include "core/Error.h"
#include "core/Text.h"
#include "cuda/Handles.h"
#include "cuda/Plans.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <sstream>
#include <unordered_map>
#include <utility>
#include <vector>

#if FP8C_HAVE_CUDNN
#define CUDNN_FRONTEND_SKIP_JSON_LIB
#include <cudnn_frontend.h>
#endif

namespace fp8c::library {

#if FP8C_HAVE_CUDNN

namespace {

namespace fe = cudnn_frontend;
using fe::graph::Tensor_attributes;
using runtime::concat;
using runtime::Error;

using Pointers = std::unordered_map<int64_t, void *>;

enum Uid : int64_t {
  Q = 1,
  K,
  V,
  O,
  Lse,
  DO,
  DQ,
  DK,
  DV,
  SeqLen,
  KvSeqLen,
  Bias
};

void checkCudnn(cudnnStatus_t status, const char *what) {
  if (status != CUDNN_STATUS_SUCCESS)
    throw Error(
        concat("cuDNN cannot ", what, ": ", cudnnGetErrorString(status)));
}

cudnnHandle_t handle() {
  static cudnnHandle_t handle = [] {
    cudnnHandle_t made;
    checkCudnn(cudnnCreate(&made), "start");
    return made;
  }();
  return handle;
}

/// Where a workspace or a part of it begins.
constexpr uint64_t workspaceAlignment = 256;

uint64_t alignedUp(uint64_t bytes) {
  return (bytes + workspaceAlignment - 1) / workspaceAlignment *
         workspaceAlignment;
}

/// A graph whose workspace we lay out: the frontend's tensors first, then
/// cuDNN's part, aligned.
class Graph : public fe::graph::Graph {
public:
  uint64_t workspaceBytes(int64_t plan) const {
    int64_t bytes = 0;
    if (get_cudnn_workspace_size_node(plan, bytes).is_bad())
      throw Error("cuDNN does not say what workspace its attention needs");
    return alignedUp(get_fe_workspace_size_subtree()) + uint64_t(bytes);
  }

  /// Enqueues a plan. Nothing that it enqueues reads the host's memory later,
  /// so that it can be captured.
  fe::error_t enqueue(const Stream &stream, int64_t plan, Pointers pointers,
                      unsigned char *workspace) const {
    checkCudnn(cudnnSetStream(handle(), stream.handle()), "take the stream");
    std::unordered_map<int64_t, pass_by_values_t> values;
    if (auto status = collect_pass_by_value_tensors_subtree(values);
        status.is_bad())
      return status;
    for (auto &[uid, value] : values)
      pointers.emplace(
          uid,
          std::visit([](auto &v) { return static_cast<void *>(&v); }, value));
    // What happens to each of the frontend's tensors first: 0, its values are
    // copied from the host; 1, it is cleared; 2, nothing.
    std::unordered_map<int64_t,
                       std::tuple<int64_t, int64_t, std::vector<float>>>
        tensors;
    int64_t end = 0;
    if (auto status = collect_tensors_in_workspace_subtree(tensors, end);
        status.is_bad())
      return status;
    for (const auto &[uid, tensor] : tensors) {
      const auto &[action, offset, data] = tensor;
      if (action == 0)
        return {fe::error_code_t::INVALID_VALUE,
                "its frontend would copy from memory of the host"};
      if (action == 1)
        check(cudaMemsetAsync(workspace + offset, 0, size_t(data.at(0)),
                              stream.handle()),
              "cannot clear a workspace");
      pointers.emplace(uid, workspace + offset);
    }
    return execute_cudnn_plan_with_uid(
        handle(), pointers,
        workspace + alignedUp(get_fe_workspace_size_subtree()), plan);
  }
};

void *address(const void *p) { return const_cast<void *>(p); }

/// What plans are kept under.
std::string keyOf(bool backward, const AttentionShape &s, Format format) {
  std::ostringstream text;
  text << "attention" << (backward ? "_backward " : " ") << s.batch << "x"
       << s.seq << "x" << s.kv_seq << " heads " << s.heads << ":" << s.kv_heads
       << "x" << s.head_dim << " strides " << s.q_stride << "," << s.k_stride
       << "," << s.v_stride << "," << s.o_stride << " scale " << s.scale
       << (s.causal ? " causal" : "");
  if (s.window)
    text << " window " << s.window;
  if (s.softcap > 0.0f)
    text << " softcap " << s.softcap;
  if (s.bias[3])
    text << " bias " << s.bias[0] << "x" << s.bias[1] << "x" << s.bias[2] << "x"
         << s.bias[3];
  text << (s.lengths ? " lengths" : "")
       << (format == Format::bf16 ? " bf16" : " f16");
  return text.str();
}

/// A tensor [batch, heads, tokens, head_dim] with heads side by side.
Tensor_attributes tensor(const char *name, Uid uid, int64_t batch,
                         int64_t heads, int64_t tokens, int64_t width,
                         int64_t stride) {
  return Tensor_attributes()
      .set_name(name)
      .set_uid(uid)
      .set_dim({batch, heads, tokens, width})
      .set_stride({tokens * stride, width, stride, 1});
}

void set(const std::shared_ptr<Tensor_attributes> &t,
         const Tensor_attributes &like) {
  t->set_output(true)
      .set_uid(like.get_uid())
      .set_dim(like.get_dim())
      .set_stride(like.get_stride());
}

int64_t kvSeqOf(const AttentionShape &s) { return s.kv_seq ? s.kv_seq : s.seq; }

/// Whether it has a padding mask; backward needs one although nothing is
/// padded.
bool hasPaddingMask(bool backward, const AttentionShape &s) {
  return s.lengths || (backward && (s.seq % 128 != 0 || kvSeqOf(s) % 128 != 0));
}

using Node = std::shared_ptr<Tensor_attributes>;

/// Caps scores, part of a graph: softcap * tanh(score / softcap). What is
/// inside tanh is kept for its gradient.
struct Capping {
  float softcap;
  std::shared_ptr<Node> inner = std::make_shared<Node>();

  Node forward(fe::graph::Graph &graph, const Node &score) const {
    auto scaled = [&](const Node &x, float factor) {
      return graph.pointwise(
          x, graph.tensor(factor),
          fe::graph::Pointwise_attributes().set_mode(fe::PointwiseMode_t::MUL));
    };
    *inner = scaled(score, 1.0f / softcap);
    return scaled(
        graph.pointwise(*inner, fe::graph::Pointwise_attributes().set_mode(
                                    fe::PointwiseMode_t::TANH_FWD)),
        softcap);
  }
  Node backward(fe::graph::Graph &graph, const Node &gradient) const {
    return graph.pointwise(gradient, *inner,
                           fe::graph::Pointwise_attributes().set_mode(
                               fe::PointwiseMode_t::TANH_BWD));
  }
};

/// Of queries and keys, what both directions are told.
template <class Attributes>
void describe(const AttentionShape &s, bool backward, fe::graph::Graph &graph,
              Attributes &attributes) {
  attributes.set_causal_mask(s.causal).set_attn_scale(s.scale);
  if (s.window)
    attributes.set_diagonal_band_left_bound(int(s.window));
  if (s.softcap > 0.0f) {
    Capping capping{s.softcap};
    using Part = std::shared_ptr<fe::graph::Graph>;
    attributes.set_score_mod([=](const Part &part, const Node &score) {
      return capping.forward(*part, score);
    });
    if constexpr (std::is_same_v<Attributes,
                                 fe::graph::SDPA_backward_attributes>)
      attributes.set_score_mod_bprop([=](const Part &part, const Node &d) {
        return capping.backward(*part, d);
      });
  }
  if (s.bias[3]) {
    const int64_t *n = s.bias;
    attributes.set_bias(
        graph.tensor(Tensor_attributes()
                         .set_name("bias")
                         .set_uid(Bias)
                         .set_dim({n[0], n[1], n[2], n[3]})
                         .set_stride({n[1] * n[2] * n[3], n[2] * n[3], n[3], 1})
                         .set_data_type(fe::DataType_t::FLOAT)));
  }
  if (hasPaddingMask(backward, s)) {
    auto lengths = [&](const char *name, Uid uid) {
      return graph.tensor(Tensor_attributes()
                              .set_name(name)
                              .set_uid(uid)
                              .set_dim({s.batch, 1, 1, 1})
                              .set_stride({1, 1, 1, 1})
                              .set_data_type(fe::DataType_t::INT32));
    };
    attributes.set_padding_mask(true)
        .set_seq_len_q(lengths("seq_len", SeqLen))
        .set_seq_len_kv(lengths("kv_seq_len", KvSeqLen));
  }
}

std::shared_ptr<Graph> build(bool backward, const AttentionShape &s,
                             Format format) {
  const int64_t kv_seq = kvSeqOf(s);
  auto graph = std::make_shared<Graph>();
  graph
      ->set_io_data_type(format == Format::bf16 ? fe::DataType_t::BFLOAT16
                                                : fe::DataType_t::HALF)
      .set_intermediate_data_type(fe::DataType_t::FLOAT)
      .set_compute_data_type(fe::DataType_t::FLOAT);
  auto q_like = [&](const char *name, Uid uid, int64_t stride) {
    return tensor(name, uid, s.batch, s.heads, s.seq, s.head_dim, stride);
  };
  auto kv_like = [&](const char *name, Uid uid, int64_t stride) {
    return tensor(name, uid, s.batch, s.kv_heads, kv_seq, s.head_dim, stride);
  };
  auto lse = Tensor_attributes()
                 .set_name("lse")
                 .set_uid(Lse)
                 .set_dim({s.batch, s.heads, s.seq, 1})
                 .set_stride({s.heads * s.seq, s.seq, 1, 1})
                 .set_data_type(fe::DataType_t::FLOAT);
  auto q = graph->tensor(q_like("q", Q, s.q_stride));
  auto k = graph->tensor(kv_like("k", K, s.k_stride));
  auto v = graph->tensor(kv_like("v", V, s.v_stride));
  if (!backward) {
    auto attributes = fe::graph::SDPA_attributes()
                          .set_name("attention")
                          .set_generate_stats(true);
    describe(s, backward, *graph, attributes);
    auto [o, stats] = graph->sdpa(q, k, v, attributes);
    set(o, q_like("o", O, s.o_stride));
    set(stats, lse);
    stats->set_data_type(fe::DataType_t::FLOAT);
  } else {
    auto o = graph->tensor(q_like("o", O, s.o_stride));
    auto d_o = graph->tensor(q_like("do", DO, s.o_stride));
    auto attributes = fe::graph::SDPA_backward_attributes()
                          .set_name("attention_backward")
                          .set_deterministic_algorithm(true);
    describe(s, backward, *graph, attributes);
    auto [dq, dk, dv] =
        graph->sdpa_backward(q, k, v, o, d_o, graph->tensor(lse), attributes);
    set(dq, q_like("dq", DQ, s.q_stride));
    set(dk, kv_like("dk", DK, s.k_stride));
    set(dv, kv_like("dv", DV, s.v_stride));
  }
  auto status = graph->validate();
  if (status.is_good())
    status = graph->build_operation_graph(handle());
  if (status.is_good())
    status = graph->create_execution_plans({fe::HeurMode_t::A});
  if (status.is_bad())
    throw Error(status.get_message());
  return graph;
}

/// A graph and one of its plans.
struct Plan {
  std::shared_ptr<Graph> graph;
  int64_t index = -1;
  uint64_t bytes = 0; ///< of workspace

  std::string name() const {
    std::string name;
    if (graph->get_plan_name_at_index(index, name).is_bad())
      throw Error("cuDNN does not say what a plan of its attention is called");
    return name;
  }
};

/// What cuDNN has for one attention on this device.
struct Offer {
  std::vector<Plan> plans; ///< most promising first
  std::string reason;      ///< why there are none
};

const Offer &offerOf(const std::string &key, bool backward,
                     const AttentionShape &shape, Format format) {
  static std::map<std::string, Offer> offers;
  auto [found, isNew] = offers.try_emplace(key);
  Offer &offer = found->second;
  if (!isNew)
    return offer;
  try {
    const std::shared_ptr<Graph> graph = build(backward, shape, format);
    for (int64_t i = 0; i < graph->get_execution_plan_count(); ++i)
      if (graph->build_plan_at_index(handle(), i).is_good())
        offer.plans.push_back({graph, i, graph->workspaceBytes(i)});
    if (offer.plans.empty())
      offer.reason = "none of its plans can be built";
  } catch (const Error &error) {
    offer.reason = error.what();
  }
  return offer;
}

const char *speedOf(const AttentionShape &s, Format format) {
  return has_tiled_attention(s, format) ? "at less speed"
                                        : "without tensor cores";
}

bool has(bool backward, AttentionShape s, Format format) {
  if ((format != Format::bf16 && format != Format::f16) ||
      (s.bias[3] == 1 && kvSeqOf(s) > 1) || (s.window && s.lengths))
    return false;
  s.batch /= s.parts;
  if (s.bias[0] > 1)
    s.bias[0] = s.batch;
  s.parts = 1;
  if (backward)
    s = with_wide_bias(s);
  const std::string key = keyOf(backward, s, format);
  const Offer &offer = offerOf(key, backward, s, format);
  static bool told = false;
  if (offer.plans.empty() && !std::exchange(told, true))
    std::fprintf(stderr,
                 "note: cuDNN has no %s: %s; kernels of fp8c's own do it, %s\n",
                 key.c_str(), offer.reason.c_str(), speedOf(s, format));
  return !offer.plans.empty();
}

/// Of rows that see nothing the one direction expects what the other wrote.
bool hasBoth(bool backward, const AttentionShape &s, Format format) {
  return has(backward, s, format) && (!s.bias[3] || has(!backward, s, format));
}

/// The `bytes` of workspace that are given, aligned, or null if they are not
/// enough for what the plan needs.
unsigned char *aligned(const Plan &p, void *workspace, size_t bytes) {
  return static_cast<unsigned char *>(
      std::align(workspaceAlignment, p.bytes, workspace, bytes));
}

/// The plan stored under `key`, or else the fastest of those that need no more
/// workspace than the first. They run in `given` if that is enough.
Plan choose(const Stream &stream, const std::string &key,
            const std::vector<Plan> &plans, const Pointers &pointers,
            void *given, uint64_t givenBytes) {
  if (const std::string *stored = Plans::get().find(key))
    for (const Plan &p : plans)
      if (p.name() == *stored)
        return p;
  const uint64_t bytes = plans.front().bytes;
  int fastest = 0;
  void *own = nullptr;
  unsigned char *workspace = aligned(plans.front(), given, givenBytes);
  if (workspace || !bytes || cudaMalloc(&own, bytes) == cudaSuccess) {
    if (own)
      workspace = static_cast<unsigned char *>(own);
    fastest = std::max(0, fastestOf(stream, int(plans.size()), [&](int i) {
                         return plans[i].bytes <= bytes &&
                                plans[i]
                                    .graph
                                    ->enqueue(stream, plans[i].index, pointers,
                                              workspace)
                                    .is_good();
                       }));
  } else {
    cudaGetLastError(); // or the next call would report it
  }
  cudaFree(own);
  Plans::get().add(key, plans[fastest].name());
  return plans[fastest];
}

void run(const Stream &stream, bool backward, const AttentionShape &shape,
         Format format, Pointers pointers, const PreparedInputs &in,
         void *workspace = nullptr, uint64_t workspaceBytes = 0) {
  static std::map<std::string, Plan> chosen;
  const std::string key = keyOf(backward, shape, format);
  if (shape.bias[3])
    pointers[Bias] = address(in.bias);
  if (hasPaddingMask(backward, shape)) {
    auto all = [&](int64_t seq) {
      return address(
          stream.table(std::vector<int32_t>(shape.batch, int32_t(seq))));
    };
    pointers[SeqLen] = all(shape.seq);
    pointers[KvSeqLen] = all(kvSeqOf(shape));
    if (in.lengths)
      pointers[KvSeqLen] = address(in.lengths);
  }
  Plan &p = chosen[key];
  if (!p.graph) {
    const Offer &offer = offerOf(key, backward, shape, format);
    if (offer.plans.empty())
      throw Error(concat("cuDNN has no ", key, ": ", offer.reason));
    // The bias may be one that is not there yet.
    void *bias = nullptr;
    if (shape.bias[3] && !in.bias) {
      check(
          cudaMalloc(&bias, uint64_t(detail::bias_size(shape)) * sizeof(float)),
          "no memory to choose a plan in");
      pointers[Bias] = bias;
    }
    p = choose(stream, key, offer.plans, pointers, workspace, workspaceBytes);
    cudaFree(bias);
  }
  unsigned char *place = aligned(p, workspace, workspaceBytes);
  unsigned char *own = nullptr;
  if (!place)
    own = stream.workspace<unsigned char>(alignedUp(in.reserved) + p.bytes);
  if (stream.planning())
    return;
  if (own)
    place = own + alignedUp(in.reserved);
  if (auto status = p.graph->enqueue(stream, p.index, pointers, place);
      status.is_bad())
    throw Error(concat("cuDNN's ", key, " failed: ", status.get_message()));
}

} // namespace

void startAttention() { handle(); }

std::string attention_version() { return std::to_string(cudnnGetVersion()); }

bool has_attention(const AttentionShape &shape, Format format) {
  return hasBoth(/*backward=*/false, shape, format);
}

bool has_attention_backward(const AttentionShape &shape, Format format) {
  return hasBoth(/*backward=*/true, shape, format);
}

void attention(const Stream &stream, const AttentionShape &shape, Format format,
               const void *q, const void *k, const void *v, void *o, float *lse,
               const PreparedInputs &in) {
  run(stream, /*backward=*/false, shape, format,
      {{Q, address(q)}, {K, address(k)}, {V, address(v)}, {O, o}, {Lse, lse}},
      in);
}

void attention_backward(const Stream &stream, const AttentionShape &shape,
                        Format format, const void *q, const void *k,
                        const void *v, const void *o, const float *lse,
                        const void *d_o, void *dq, void *dk, void *dv,
                        void *workspace, uint64_t workspaceBytes,
                        const PreparedInputs &in) {
  AttentionShape s = shape;
  s.batch /= s.parts;
  const bool hasOwnBias = s.bias[0] > 1;
  if (hasOwnBias)
    s.bias[0] = s.batch;
  const int64_t kv_seq = kvSeqOf(s);
  for (int64_t part = 0; part < s.parts; ++part) {
    const int64_t first = part * s.batch;
    // Rows of 16-bit numbers.
    auto at = [&](const void *p, int64_t tokens, int64_t stride) {
      return static_cast<uint16_t *>(address(p)) + first * tokens * stride;
    };
    run(stream, /*backward=*/true, s, format,
        {{Q, at(q, s.seq, s.q_stride)},
         {K, at(k, kv_seq, s.k_stride)},
         {V, at(v, kv_seq, s.v_stride)},
         {O, at(o, s.seq, s.o_stride)},
         {Lse, address(lse + first * s.heads * s.seq)},
         {DO, at(d_o, s.seq, s.o_stride)},
         {DQ, at(dq, s.seq, s.q_stride)},
         {DK, at(dk, kv_seq, s.k_stride)},
         {DV, at(dv, kv_seq, s.v_stride)}},
        {hasOwnBias && in.bias
             ? in.bias + first * s.bias[1] * s.bias[2] * s.bias[3]
             : in.bias,
         in.lengths ? in.lengths + first : nullptr, in.reserved},
        workspace, workspaceBytes);
  }
}

#else // without cuDNN: programs take their own kernels

std::string attention_version() { return "none"; }
void startAttention() {}
bool has_attention(const AttentionShape &, Format format) {
  static bool told = false;
  if (format != Format::f32 && !std::exchange(told, true))
    std::fprintf(stderr, "note: fp8c was built without cuDNN: kernels of its "
                         "own do attention, at less speed\n");
  return false;
}
bool has_attention_backward(const AttentionShape &, Format) { return false; }
void attention(const Stream &, const AttentionShape &, Format, const void *,
               const void *, const void *, void *, float *,
               const PreparedInputs &) {}
void attention_backward(const Stream &, const AttentionShape &, Format,
                        const void *, const void *, const void *, const void *,
                        const float *, const void *, void *, void *, void *,
                        void *, uint64_t, const PreparedInputs &) {}

#endif

} // namespace fp8c::library
