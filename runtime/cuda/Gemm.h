//===- Gemm.h - Plans for cuBLASLt's matrix products ------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CUDA_GEMM_H
#define FP8C_RUNTIME_CUDA_GEMM_H

#include "kernels/cuda/library.h"

#include <cublasLt.h>
#include <map>
#include <string>

namespace fp8c::library {

/// Which algorithm each product takes. cuBLASLt's heuristic proposes some; the
/// fastest by measurement is kept, in a file for this GPU and library, so that
/// later runs take the same one and give the same bits.
class GemmPlans {
public:
  static GemmPlans &get();

  /// Reads plans from `path`; plans chosen later are added to it. A file of
  /// another GPU or library version is ignored and replaced. "": keep none.
  void use(const std::string &path);

  /// Prefers the plans in `path`, those of a run that goes on, and from now on
  /// keeps there all that are used. Returns false if they are of another GPU or
  /// library version, where they cannot be taken. Throws Error if the file
  /// cannot be written.
  bool keep(const std::string &path);

  /// Writes what was chosen or used since use() and keep(), if anything.
  void save();

  void run(const Stream &stream, const GemmShape &shape, Format a_format,
           const void *a, Format b_format, const void *b, Format c_format,
           void *c, bool accumulate, const float *scale_inv_a,
           const float *scale_inv_b, const void *bias);

  GemmPlans(const GemmPlans &) = delete;
  GemmPlans &operator=(const GemmPlans &) = delete;

private:
  GemmPlans();
  using Plans = std::map<std::string, cublasLtMatmulAlgo_t>;

  std::string header() const;
  /// Adds the plans of a file to those known, as better ones. Returns false if
  /// it is of another GPU or library.
  bool read(const std::string &path);
  void write(const std::string &path, const Plans &plans) const;

  cublasLtHandle_t handle = nullptr;
  Plans known, used;
  std::string cache, run_file;
  bool chose = false, uses_more = false;
};

} // namespace fp8c::library

#endif // FP8C_RUNTIME_CUDA_GEMM_H
