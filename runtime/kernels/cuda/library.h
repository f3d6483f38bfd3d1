//===- library.h - Calls into cuBLASLt and cuDNN --------------------------===//
//
// Implemented by the runtime's CUDA library, not in the emitted program: plans
// outlive a call, and programs compile in seconds.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_CUDA_LIBRARY_H
#define FP8C_KERNELS_CUDA_LIBRARY_H

#include "kernels/common/scores.h"
#include "kernels/common/shapes.h"
#include "kernels/common/tiles.h"
#include "kernels/common/types.h"
#include "kernels/cuda/stream.h"

#include <string>

namespace fp8c {

enum class Format { f32, bf16, f16, e4m3, e5m2 };

template <class T> constexpr Format format_of();
template <> constexpr Format format_of<float>() { return Format::f32; }
template <> constexpr Format format_of<bf16>() { return Format::bf16; }
template <> constexpr Format format_of<f16>() { return Format::f16; }
template <> constexpr Format format_of<e4m3>() { return Format::e4m3; }
template <> constexpr Format format_of<e5m2>() { return Format::e5m2; }

/// c is m x n, op(a) is m x k, op(b) is k x n, all row-major and dense. With
/// transpose_a, a is stored k x m; with transpose_b, b is stored n x k.
/// Strides are elements from one matrix of a batch to the next.
struct GemmShape {
  int64_t m, n, k;
  bool transpose_a = false, transpose_b = false;
  int64_t batch = 1, stride_a = 0, stride_b = 0, stride_c = 0;
  bool fast_accum = false; ///< FP8 only: accumulate in fewer than 32 bits
  Granularity granularity_a = Granularity::tensor,
              granularity_b = Granularity::tensor;
};

namespace library {

/// c = scale_inv_a * scale_inv_b * op(a) op(b) (+ c) (+ bias), by cuBLASLt. The
/// bias, n numbers of c's format, is added to every row. FP8 operands
/// must have their contracted dimension last (Hopper multiplies no others).
/// The scales are device pointers, to one number or to those of the operand as
/// `tiled` gives it, and stand inside the sum then. Throws if cuBLASLt has no
/// kernel for it.
void gemm(const Stream &stream, const GemmShape &shape, Format a_format,
          const void *a, Format b_format, const void *b, Format c_format,
          void *c, bool accumulate, const float *scale_inv_a,
          const float *scale_inv_b, const void *bias);

/// Whether cuDNN does this attention on this device: bf16 or f16; with a bias
/// both directions or none. The first no of a process is told on stderr, with
/// the reason.
bool has_attention(const AttentionShape &shape, Format format);
bool has_attention_backward(const AttentionShape &shape, Format format);

/// cuDNN's version, or "none".
std::string attention_version();

/// What attention is given besides, or null. The bias is the same for no two
/// keys, in backward for no two queries either; lengths are at least 1. Both
/// may lie in the first bytes of the stream's workspace: `reserved` ones, so
/// null while planning.
struct PreparedInputs {
  const float *bias;
  const int32_t *lengths;
  uint64_t reserved;
};

/// lse is [batch, heads, seq].
void attention(const Stream &stream, const AttentionShape &shape, Format format,
               const void *q, const void *k, const void *v, void *o, float *lse,
               const PreparedInputs &in);

/// Deterministic. dq, dk, dv are laid out as q, k, v; d_o as o. All parts of
/// the batch take the workspace that is given, or where cuDNN needs more, the
/// stream's.
void attention_backward(const Stream &stream, const AttentionShape &shape,
                        Format format, const void *q, const void *k,
                        const void *v, const void *o, const float *lse,
                        const void *d_o, void *dq, void *dk, void *dv,
                        void *workspace, uint64_t workspace_bytes,
                        const PreparedInputs &in);

/// The shape with the bias that attention_backward takes.
inline AttentionShape with_wide_bias(AttentionShape s) {
  if (s.bias[3]) {
    s.bias[2] = s.seq;
    s.bias[3] = s.kv_seq ? s.kv_seq : s.seq;
  }
  return s;
}

/// Kernels of our own that use tensor cores: bf16 and f16, heads of up to 256.
bool has_tiled_attention(const AttentionShape &shape, Format format);
void tiled_attention(const Stream &stream, const AttentionShape &shape,
                     Format format, const void *q, const void *k, const void *v,
                     void *o, float *lse, const detail::ScoreInputs &in);

/// With a null dq only d_bias, which may be null otherwise.
void tiled_attention_backward(const Stream &stream, const AttentionShape &shape,
                              Format format, const void *q, const void *k,
                              const void *v, const void *o, const float *lse,
                              const void *d_o, void *dq, void *dk, void *dv,
                              const detail::ScoreInputs &in, float *d_bias);

/// Token ids in ascending order, and where each stood; equal ids keep their
/// order. They stay until the next call of anything that
/// takes workspace from its start.
struct SortedIds {
  const int64_t *ids;
  const int32_t *positions;
  uint64_t workspace_bytes; ///< the first ones, which both lie in
};
SortedIds sort_ids(const Stream &stream, const int64_t *ids, int64_t n,
                   int64_t rows);

} // namespace library

template <class A, class B, class C>
void gemm(const Stream &stream, const GemmShape &shape, const A *a, const B *b,
          C *c, bool accumulate = false, const float *scale_inv_a = nullptr,
          const float *scale_inv_b = nullptr, const C *bias = nullptr) {
  library::gemm(stream, shape, format_of<A>(), a, format_of<B>(), b,
                format_of<C>(), c, accumulate, scale_inv_a, scale_inv_b, bias);
}

} // namespace fp8c

#endif // FP8C_KERNELS_CUDA_LIBRARY_H
