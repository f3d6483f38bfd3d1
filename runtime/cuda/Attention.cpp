//===- Attention.cpp - Attention by cuDNN ---------------------------------===//

#include "kernels/cuda/library.h"

#include "core/Error.h"
#include "cuda/Handles.h"
#include "cuda/Plans.h"

#include <algorithm>
#include <map>
#include <memory>
#include <sstream>
#include <unordered_map>
#include <vector>

#if FP8C_HAVE_CUDNN
#define CUDNN_FRONTEND_SKIP_JSON_LIB
#include <cudnn_frontend.h>
#endif

namespace fp8c::library {

#if FP8C_HAVE_CUDNN

namespace {

namespace fe = cudnn_frontend;
using fe::graph::Graph;
using fe::graph::Tensor_attributes;
using runtime::Error;

using Pointers = std::unordered_map<int64_t, void *>;

enum Uid : int64_t { Q = 1, K, V, O, Lse, DO, DQ, DK, DV };

cudnnHandle_t handle() {
  static cudnnHandle_t handle = [] {
    cudnnHandle_t made;
    if (cudnnStatus_t status = cudnnCreate(&made);
        status != CUDNN_STATUS_SUCCESS)
      throw Error(std::string("cuDNN cannot start: ") +
                  cudnnGetErrorString(status));
    return made;
  }();
  return handle;
}

/// What plans are kept under.
std::string keyOf(bool backward, const AttentionShape &s, Format format) {
  std::ostringstream text;
  text << "attention" << (backward ? "_backward " : " ") << s.batch << "x"
       << s.seq << "x" << s.kv_seq << " heads " << s.heads << ":" << s.kv_heads
       << "x" << s.head_dim << " strides " << s.q_stride << "," << s.k_stride
       << "," << s.v_stride << "," << s.o_stride << " scale " << s.scale
       << (s.causal ? " causal" : "")
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

std::shared_ptr<Graph> build(bool backward, const AttentionShape &s,
                             Format format) {
  const int64_t kv_seq = s.kv_seq ? s.kv_seq : s.seq;
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
    auto [o, stats] = graph->sdpa(q, k, v,
                                  fe::graph::SDPA_attributes()
                                      .set_name("attention")
                                      .set_generate_stats(true)
                                      .set_causal_mask(s.causal)
                                      .set_attn_scale(s.scale));
    set(o, q_like("o", O, s.o_stride));
    set(stats, lse);
    stats->set_data_type(fe::DataType_t::FLOAT);
  } else {
    auto o = graph->tensor(q_like("o", O, s.o_stride));
    auto d_o = graph->tensor(q_like("do", DO, s.o_stride));
    auto [dq, dk, dv] =
        graph->sdpa_backward(q, k, v, o, d_o, graph->tensor(lse),
                             fe::graph::SDPA_backward_attributes()
                                 .set_name("attention_backward")
                                 .set_causal_mask(s.causal)
                                 .set_attn_scale(s.scale)
                                 .set_deterministic_algorithm(true));
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
    throw Error("cuDNN has no attention for this shape: " +
                status.get_message());
  return graph;
}

/// A graph and the one of its plans that is executed.
struct Planned {
  std::shared_ptr<Graph> graph;
  int64_t plan = -1;
  uint64_t bytes = 0; ///< of workspace

  /// cuDNN adds pointers into the workspace to those it is given.
  bool execute(const Stream &stream, Pointers pointers, void *workspace) {
    cudnnSetStream(handle(), stream.handle());
    return graph->execute_plan_at_index(handle(), pointers, workspace, plan)
        .is_good();
  }
};

std::string nameOf(const Planned &p) {
  std::string name;
  (void)p.graph->get_plan_name_at_index(p.plan, name);
  return name;
}

/// The plans that this device can execute, most promising first.
std::vector<Planned> proposed(const std::shared_ptr<Graph> &graph) {
  std::vector<Planned> plans;
  for (int64_t i = 0; i < graph->get_execution_plan_count(); ++i)
    if (graph->build_plan_at_index(handle(), i).is_good())
      plans.push_back(
          {graph, i, uint64_t(graph->get_workspace_size_plan_at_index(i))});
  if (plans.empty())
    throw Error("cuDNN has no attention for this shape");
  return plans;
}

/// The `bytes` of workspace that are given, aligned as cudaMalloc would do, or
/// null if they are not enough for what the plan needs.
void *aligned(const Planned &p, void *workspace, size_t bytes) {
  return std::align(256, p.bytes, workspace, bytes);
}

/// The plan stored under `key`, or else the fastest of those that need no more
/// workspace than the first. They run in `given` if that is enough.
Planned choose(const Stream &stream, const std::string &key,
               const std::shared_ptr<Graph> &graph, const Pointers &pointers,
               void *given, uint64_t givenBytes) {
  std::vector<Planned> plans = proposed(graph);
  if (const std::string *stored = Plans::get().find(key))
    for (const Planned &p : plans)
      if (nameOf(p) == *stored)
        return p;
  const uint64_t bytes = plans.front().bytes;
  int fastest = 0;
  void *own = nullptr, *workspace = aligned(plans.front(), given, givenBytes);
  if (workspace || !bytes || cudaMalloc(&own, bytes) == cudaSuccess)
    fastest = std::max(0, fastestOf(stream, int(plans.size()), [&](int i) {
                         return plans[i].bytes <= bytes &&
                                plans[i].execute(stream, pointers,
                                                 own ? own : workspace);
                       }));
  else
    cudaGetLastError(); // or the next call would report it
  cudaFree(own);
  Plans::get().add(key, nameOf(plans[fastest]));
  return plans[fastest];
}

void run(const Stream &stream, bool backward, const AttentionShape &shape,
         Format format, const Pointers &pointers, void *workspace = nullptr,
         uint64_t workspaceBytes = 0) {
  static std::map<std::string, Planned> planned;
  const std::string key = keyOf(backward, shape, format);
  Planned &p = planned[key];
  if (!p.graph)
    p = choose(stream, key, build(backward, shape, format), pointers, workspace,
               workspaceBytes);
  workspace = aligned(p, workspace, workspaceBytes);
  if (!workspace)
    workspace = stream.workspace<unsigned char>(p.bytes);
  if (!stream.planning() && !p.execute(stream, pointers, workspace))
    throw Error("cuDNN's attention failed: " + key);
}

void *address(const void *p) { return const_cast<void *>(p); }

} // namespace

void startAttention() { handle(); }

std::string attention_version() { return std::to_string(cudnnGetVersion()); }

bool has_attention(const AttentionShape &s, Format format) {
  return (format == Format::bf16 || format == Format::f16) &&
         s.head_dim % 8 == 0 && s.head_dim <= 128;
}

void attention(const Stream &stream, const AttentionShape &shape, Format format,
               const void *q, const void *k, const void *v, void *o,
               float *lse) {
  run(stream, /*backward=*/false, shape, format,
      {{Q, address(q)}, {K, address(k)}, {V, address(v)}, {O, o}, {Lse, lse}});
}

void attention_backward(const Stream &stream, const AttentionShape &shape,
                        Format format, const void *q, const void *k,
                        const void *v, const void *o, const float *lse,
                        const void *d_o, void *dq, void *dk, void *dv,
                        void *workspace, uint64_t workspaceBytes) {
  AttentionShape s = shape;
  s.batch /= s.parts;
  const int64_t kv_seq = s.kv_seq ? s.kv_seq : s.seq;
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
        workspace, workspaceBytes);
  }
}

#else // without cuDNN: programs take their own kernels

std::string attention_version() { return "none"; }
void startAttention() {}
bool has_attention(const AttentionShape &, Format) { return false; }
void attention(const Stream &, const AttentionShape &, Format, const void *,
               const void *, const void *, void *, float *) {}
void attention_backward(const Stream &, const AttentionShape &, Format,
                        const void *, const void *, const void *, const void *,
                        const float *, const void *, void *, void *, void *,
                        void *, uint64_t) {}

#endif

} // namespace fp8c::library
