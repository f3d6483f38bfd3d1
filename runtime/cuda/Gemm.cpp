//===- Gemm.cpp - Plans for cuBLASLt's matrix products --------------------===//
//
// cuBLASLt is column-major. A row-major c = a b is, read column by column,
// c^T = b^T a^T: so our b is its first operand and our a its second. What is
// stored [n, k] row-major is k x n column-major, "T" for its first operand;
// what is stored [m, k] is "N" for its second. That is the one combination
// that FP8 has on Hopper.
//
//===----------------------------------------------------------------------===//

#include "kernels/cuda/library.h"

#include "core/Error.h"
#include "cuda/Handles.h"
#include "cuda/Plans.h"

#include <cublasLt.h>

#include <initializer_list>
#include <memory>
#include <sstream>
#include <vector>

namespace fp8c::library {
namespace {

using runtime::Error;

void checkLt(cublasStatus_t status, const std::string &what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw Error("cuBLASLt cannot " + what + ": " +
                cublasLtGetStatusString(status));
}

cudaDataType_t typeOf(Format format) {
  switch (format) {
  case Format::f32:
    return CUDA_R_32F;
  case Format::bf16:
    return CUDA_R_16BF;
  case Format::f16:
    return CUDA_R_16F;
  case Format::e4m3:
    return CUDA_R_8F_E4M3;
  case Format::e5m2:
    return CUDA_R_8F_E5M2;
  }
  return CUDA_R_32F;
}

const char *nameOf(Format format) {
  const char *names[] = {"f32", "bf16", "f16", "e4m3", "e5m2"};
  return names[int(format)];
}

cublasLtMatmulMatrixScale_t scaleModeOf(Granularity granularity) {
  switch (granularity) {
  case Granularity::tensor:
    break;
  case Granularity::row:
    return CUBLASLT_MATMUL_MATRIX_SCALE_OUTER_VEC_32F;
  case Granularity::block_1x128:
    return CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F;
  case Granularity::block_128x128:
    return CUBLASLT_MATMUL_MATRIX_SCALE_BLK128x128_32F;
  }
  return CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F;
}

const char *nameOf(Granularity granularity) {
  const char *names[] = {"tensor", "row", "1x128", "128x128"};
  return names[int(granularity)];
}

bool isFP8(Format format) {
  return format == Format::e4m3 || format == Format::e5m2;
}

struct Destroy {
  void operator()(cublasLtMatmulDesc_t d) const {
    cublasLtMatmulDescDestroy(d);
  }
  void operator()(cublasLtMatrixLayout_t l) const {
    cublasLtMatrixLayoutDestroy(l);
  }
  void operator()(cublasLtMatmulPreference_t p) const {
    cublasLtMatmulPreferenceDestroy(p);
  }
};
template <class T>
using Owned = std::unique_ptr<std::remove_pointer_t<T>, Destroy>;

Owned<cublasLtMatrixLayout_t> layout(Format format, int64_t rows, int64_t cols,
                                     int64_t batch, int64_t stride) {
  cublasLtMatrixLayout_t raw;
  checkLt(cublasLtMatrixLayoutCreate(&raw, typeOf(format), rows, cols, rows),
          "describe a matrix");
  Owned<cublasLtMatrixLayout_t> result(raw);
  if (batch > 1) {
    const int32_t count = int32_t(batch);
    checkLt(cublasLtMatrixLayoutSetAttribute(
                raw, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count),
            "describe a matrix");
    checkLt(cublasLtMatrixLayoutSetAttribute(
                raw, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride,
                sizeof stride),
            "describe a matrix");
  }
  return result;
}

/// One product as cuBLASLt sees it.
struct Problem {
  Owned<cublasLtMatmulDesc_t> desc;
  Owned<cublasLtMatrixLayout_t> first, second, result;
  const void *a, *b;
  void *c;
  float alpha = 1.0f, beta = 0.0f;

  cublasStatus_t run(cublasLtHandle_t handle, void *into,
                     const cublasLtMatmulAlgo_t &algorithm,
                     const Stream &stream) const {
    return cublasLtMatmul(handle, desc.get(), &alpha, b, first.get(), a,
                          second.get(), &beta, into, result.get(), into,
                          result.get(), &algorithm, stream.context->workspace,
                          min_workspace_bytes, stream.handle());
  }
};

template <class T>
void set(const Problem &p, cublasLtMatmulDescAttributes_t attribute, T value) {
  checkLt(cublasLtMatmulDescSetAttribute(p.desc.get(), attribute, &value,
                                         sizeof value),
          "describe a product");
}

Problem describe(const GemmShape &s, Format a_format, const void *a,
                 Format b_format, const void *b, Format c_format, void *c,
                 bool accumulate, const float *scale_inv_a,
                 const float *scale_inv_b, const void *bias) {
  Problem p;
  cublasLtMatmulDesc_t raw;
  checkLt(cublasLtMatmulDescCreate(&raw, CUBLAS_COMPUTE_32F, CUDA_R_32F),
          "describe a product");
  p.desc.reset(raw);
  set(p, CUBLASLT_MATMUL_DESC_TRANSA,
      s.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(p, CUBLASLT_MATMUL_DESC_TRANSB,
      s.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
  if (scale_inv_b)
    set(p, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, scale_inv_b);
  if (scale_inv_a)
    set(p, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, scale_inv_a);
  if (s.granularity_b != Granularity::tensor)
    set(p, CUBLASLT_MATMUL_DESC_A_SCALE_MODE,
        int32_t(scaleModeOf(s.granularity_b)));
  if (s.granularity_a != Granularity::tensor)
    set(p, CUBLASLT_MATMUL_DESC_B_SCALE_MODE,
        int32_t(scaleModeOf(s.granularity_a)));
  if (isFP8(a_format))
    set(p, CUBLASLT_MATMUL_DESC_FAST_ACCUM, int8_t(s.fast_accum));
  if (bias) {
    set(p, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(p, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    set(p, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, int32_t(typeOf(c_format)));
  }
  p.first = s.transpose_b ? layout(b_format, s.k, s.n, s.batch, s.stride_b)
                          : layout(b_format, s.n, s.k, s.batch, s.stride_b);
  p.second = s.transpose_a ? layout(a_format, s.m, s.k, s.batch, s.stride_a)
                           : layout(a_format, s.k, s.m, s.batch, s.stride_a);
  p.result = layout(c_format, s.n, s.m, s.batch, s.stride_c);
  p.a = a;
  p.b = b;
  p.c = c;
  p.beta = accumulate ? 1.0f : 0.0f;
  return p;
}

/// The longest access and the strictest address of the copy engine have 16
/// bytes: where all operands are aligned so, any algorithm runs.
constexpr uint32_t enoughAlignment = 16;

/// What plans are kept under, and errors call the product.
std::string keyOf(const GemmShape &s, Format a, Format b, Format c,
                  bool accumulate, bool bias, uint32_t alignment) {
  std::ostringstream text;
  text << s.m << "x" << s.n << "x" << s.k << " " << (s.transpose_b ? "T" : "N")
       << (s.transpose_a ? "T" : "N") << " " << nameOf(a) << "*" << nameOf(b)
       << "->" << nameOf(c);
  if (s.batch > 1)
    text << " batch " << s.batch << " strides " << s.stride_a << ","
         << s.stride_b << "," << s.stride_c;
  if (accumulate)
    text << " +=";
  if (bias)
    text << " bias";
  if (s.granularity_a != Granularity::tensor ||
      s.granularity_b != Granularity::tensor)
    text << " scales " << nameOf(s.granularity_a) << "*"
         << nameOf(s.granularity_b);
  if (isFP8(a) && s.fast_accum)
    text << " fast";
  if (alignment < enoughAlignment)
    text << " aligned " << alignment;
  return text.str();
}

/// The most bytes, of 16, that all of some addresses are multiples of.
uint32_t alignmentOf(std::initializer_list<const void *> pointers) {
  uintptr_t bits = enoughAlignment;
  for (const void *pointer : pointers)
    bits |= reinterpret_cast<uintptr_t>(pointer);
  return uint32_t(bits & -bits);
}

/// The algorithms that cuBLASLt proposes, most promising first. Those that add
/// partial sums in whatever order they come are left out.
std::vector<cublasLtMatmulHeuristicResult_t>
propose(cublasLtHandle_t handle, const Problem &p, uint32_t alignment,
        const std::string &key, int most) {
  cublasLtMatmulPreference_t raw;
  checkLt(cublasLtMatmulPreferenceCreate(&raw), "plan a product");
  Owned<cublasLtMatmulPreference_t> preference(raw);
  uint64_t bytes = min_workspace_bytes;
  uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_MASK &
                     ~uint32_t(CUBLASLT_REDUCTION_SCHEME_INPLACE);
  auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute,
                    const auto &value) {
    checkLt(cublasLtMatmulPreferenceSetAttribute(raw, attribute, &value,
                                                 sizeof value),
            "plan a product");
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, bytes);
  prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, schemes);
  if (alignment < enoughAlignment)
    for (auto attribute : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
                           CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
                           CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
                           CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      prefer(attribute, alignment);
  std::vector<cublasLtMatmulHeuristicResult_t> results(most);
  int found = 0;
  cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      handle, p.desc.get(), p.first.get(), p.second.get(), p.result.get(),
      p.result.get(), raw, most, results.data(), &found);
  // Both are its words for a product that it has no kernel for.
  if (status != CUBLAS_STATUS_NOT_SUPPORTED &&
      status != CUBLAS_STATUS_INVALID_VALUE)
    checkLt(status, "plan the product " + key);
  results.resize(found);
  return results;
}

std::string textOf(const cublasLtMatmulAlgo_t &algorithm) {
  std::string text;
  for (uint64_t word : algorithm.data) {
    char hex[17];
    std::snprintf(hex, sizeof hex, "%016llx",
                  static_cast<unsigned long long>(word));
    text += hex;
  }
  return text;
}

/// Throws Error if it is no such text.
cublasLtMatmulAlgo_t algorithmOf(const std::string &text) {
  cublasLtMatmulAlgo_t algorithm;
  if (text.size() != 16 * std::size(algorithm.data) ||
      text.find_first_not_of("0123456789abcdef") != std::string::npos)
    throw Error("\"" + text + "\" is no plan of a matrix product",
                "delete the file of plans that it stands in");
  for (size_t i = 0; i < std::size(algorithm.data); ++i)
    algorithm.data[i] = std::stoull(text.substr(16 * i, 16), nullptr, 16);
  return algorithm;
}

/// The fastest algorithm for a product, which may overwrite `into`.
cublasLtMatmulAlgo_t choose(cublasLtHandle_t handle, const Problem &p,
                            void *into, const Stream &stream,
                            uint32_t alignment, const std::string &key) {
  const auto proposed = propose(handle, p, alignment, key, 16);
  const int chosen = fastestOf(stream, int(proposed.size()), [&](int i) {
    return p.run(handle, into, proposed[i].algo, stream) ==
           CUBLAS_STATUS_SUCCESS;
  });
  if (chosen < 0)
    throw Error("cuBLASLt has no kernel for the product " + key,
                "dimensions of FP8 operands must be multiples of 16");
  return proposed[chosen].algo;
}

cublasLtHandle_t handle() {
  static cublasLtHandle_t handle = [] {
    cublasLtHandle_t made;
    checkLt(cublasLtCreate(&made), "start");
    return made;
  }();
  return handle;
}

} // namespace

void startGemm() { handle(); }

void gemm(const Stream &stream, const GemmShape &shape, Format a_format,
          const void *a, Format b_format, const void *b, Format c_format,
          void *c, bool accumulate, const float *scale_inv_a,
          const float *scale_inv_b, const void *bias) {
  const uint32_t alignment = alignmentOf({a, b, c, bias});
  const std::string key =
      keyOf(shape, a_format, b_format, c_format, accumulate, bias, alignment);
  if (isFP8(a_format) && (shape.transpose_a || !shape.transpose_b))
    throw Error("FP8 product " + key +
                    ": this GPU multiplies FP8 only if both operands have "
                    "the contracted dimension last",
                "compile the program for CUDA: fp8c compile --target cuda "
                "gives every operand the layout that it needs");
  const Problem p = describe(shape, a_format, a, b_format, b, c_format, c,
                             accumulate, scale_inv_a, scale_inv_b, bias);
  const std::string *plan = Plans::get().find(key);
  if (!stream.planning()) {
    if (!plan)
      throw Error("the product " + key + " was not planned");
    checkLt(p.run(handle(), c, algorithmOf(*plan), stream),
            "run the product " + key);
    return;
  }
  if (plan)
    return;
  // Gradients, which are variables, must not change in the trial.
  constexpr int64_t largest_gradient = int64_t(2) << 30;
  const int64_t bytes = shape.batch * shape.m * shape.n * 4;
  void *own = nullptr, *into = c;
  if (accumulate || (c_format == Format::f32 && bytes <= largest_gradient)) {
    check(cudaMalloc(&own, bytes + alignment), "no memory to plan a product");
    into = static_cast<unsigned char *>(own) + alignment % enoughAlignment;
  }
  Plans::get().add(key,
                   textOf(choose(handle(), p, into, stream, alignment, key)));
  cudaFree(own);
}

} // namespace fp8c::library
