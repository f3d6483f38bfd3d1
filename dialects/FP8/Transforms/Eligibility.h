//===- Eligibility.h - Which contractions FP8 hardware can do --*- C++ -*-===//

#ifndef FP8_TRANSFORMS_ELIGIBILITY_H
#define FP8_TRANSFORMS_ELIGIBILITY_H

#include "FP8/IR/FP8.h"
#include <optional>
#include <string>

namespace fp8c::fp8 {

/// Why a contraction cannot become an `fp8.matmul`, whatever its FP8 formats;
/// none if it can.
std::optional<std::string> getFP8Obstacle(FP8ContractionOpInterface op);

} // namespace fp8c::fp8

#endif // FP8_TRANSFORMS_ELIGIBILITY_H
