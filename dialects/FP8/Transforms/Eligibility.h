//===- Eligibility.h - Which contractions FP8 hardware can do --*- C++ -*-===//

#ifndef FP8_TRANSFORMS_ELIGIBILITY_H
#define FP8_TRANSFORMS_ELIGIBILITY_H

#include "FP8/IR/FP8.h"
#include <optional>
#include <string>

namespace fp8c::fp8 {

/// Why a contraction cannot become an `fp8.matmul`, whatever its FP8 formats,
/// with operands of these granularities; none if it can.
std::optional<std::string> getFP8Obstacle(FP8ContractionOpInterface op,
                                          Granularity lhs, Granularity rhs);

/// Why no hardware contracts operands of these granularities with each other;
/// none if Hopper does (cuBLAS documentation, "Narrow Precision Data Types
/// Usage").
std::optional<std::string> getGranularityConflict(Granularity lhs,
                                                  Granularity rhs);

} // namespace fp8c::fp8

#endif // FP8_TRANSFORMS_ELIGIBILITY_H
