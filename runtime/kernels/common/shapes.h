//===- shapes.h - Shapes that library functions take ----------------------===//

#ifndef FP8C_KERNELS_COMMON_SHAPES_H
#define FP8C_KERNELS_COMMON_SHAPES_H

#include <stdint.h>

namespace fp8c {

/// q is [batch, seq, heads, head_dim], k and v are [batch, kv_seq, kv_heads,
/// ...], o is like q. A stride is the number of elements from one token to the
/// next, so all four may be slices of wider tensors; a batch is `seq` (for k
/// and v `kv_seq`) tokens long. Query head h reads key head
/// h / (heads / kv_heads). With `causal`, query i sees keys 0 to i.
struct AttentionShape {
  int64_t batch, seq, heads, kv_heads, head_dim;
  int64_t q_stride, k_stride, v_stride, o_stride;
  float scale;
  bool causal;
  int64_t kv_seq = 0;     ///< 0: as `seq`
  int64_t v_head_dim = 0; ///< 0: as `head_dim`
  int64_t parts = 1;      ///< of the batch, backward: one after the other
  int64_t window = 0;     ///< causal: keys a query sees, its own too; 0: all
  float softcap = 0.0f;   ///< scores stay within; 0: they stay as they are
  /// Sizes of what is added to scores [batch, heads, seq, kv_seq], each as
  /// theirs or 1; 0: nothing is.
  int64_t bias[4] = {};
  bool lengths = false; ///< of a sequence only so many keys are seen
};

/// x and y are [batch, seq, heads, head_dim] with a stride in elements from one
/// token to the next. cos and sin are [seq, rotary_dim / 2], or with
/// `batched_angles` [batch, seq, rotary_dim / 2]. `inverse` rotates backwards,
/// which is also the gradient.
struct RotaryShape {
  int64_t batch, seq, heads, head_dim, rotary_dim;
  bool interleaved, inverse;
  int64_t x_stride, y_stride;
  bool batched_angles = false;
};

} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_SHAPES_H
