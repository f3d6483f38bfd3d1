//===- Eligibility.h - Which contractions FP8 hardware can do --*- C++ -*-===//

#ifndef FP8_TRANSFORMS_ELIGIBILITY_H
#define FP8_TRANSFORMS_ELIGIBILITY_H

#include "FP8/IR/FP8.h"
#include <optional>
#include <string>

namespace fp8c::fp8 {

/// The sizes that fp8-pad-products gives a product with operands of these
/// granularities: multiples of 16, and a contracted size that is none becomes
/// whole blocks. None where every size is a multiple, and where the op is not
/// one that can be built anew.
std::optional<GemmDims> getPaddedDims(FP8ContractionOpInterface op,
                                      Granularity lhs, Granularity rhs);

/// Why a contraction cannot become an `fp8.matmul`, whatever its FP8 formats,
/// with operands of these granularities; none if it can. With `pads` sizes are
/// those that fp8-pad-products is going to give it.
std::optional<std::string> getFP8Obstacle(FP8ContractionOpInterface op,
                                          Granularity lhs, Granularity rhs,
                                          bool pads = false);

/// Why no hardware contracts operands of these granularities with each other;
/// none if Hopper does (cuBLAS documentation, "Narrow Precision Data Types
/// Usage").
std::optional<std::string> getGranularityConflict(Granularity lhs,
                                                  Granularity rhs);

} // namespace fp8c::fp8

#endif // FP8_TRANSFORMS_ELIGIBILITY_H
