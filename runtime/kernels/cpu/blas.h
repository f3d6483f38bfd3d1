//===- blas.h - OpenBLAS, as the kernels use it ---------------------------===//

#ifndef FP8C_KERNELS_CPU_BLAS_H
#define FP8C_KERNELS_CPU_BLAS_H

#include <cassert>
#include <cblas.h>
#include <stdint.h>

namespace fp8c {
namespace detail {

/// c = alpha * op(a) op(b) + beta * c; everything row-major.
inline void sgemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n,
                  int64_t k, float alpha, const float *a, int64_t lda,
                  const float *b, int64_t ldb, float beta, float *c,
                  int64_t ldc) {
  assert(m <= INT32_MAX && n <= INT32_MAX && k <= INT32_MAX);
  cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
              transpose_b ? CblasTrans : CblasNoTrans, blasint(m), blasint(n),
              blasint(k), alpha, a, blasint(lda), b, blasint(ldb), beta, c,
              blasint(ldc));
}

/// While it lives, BLAS calls from inside a parallel region use one thread
/// each. OpenBLAS built with OpenMP does that by itself; built with pthreads it
/// would let the calls queue for its own pool of threads.
class SingleThreadedBlas {
public:
  SingleThreadedBlas() {
    if (openblas_get_parallel() == OPENBLAS_THREAD) {
      threads = openblas_get_num_threads();
      openblas_set_num_threads(1);
    }
  }
  ~SingleThreadedBlas() {
    if (threads)
      openblas_set_num_threads(threads);
  }
  SingleThreadedBlas(const SingleThreadedBlas &) = delete;
  SingleThreadedBlas &operator=(const SingleThreadedBlas &) = delete;

private:
  int threads = 0;
};

} // namespace detail
} // namespace fp8c

#endif // FP8C_KERNELS_CPU_BLAS_H
