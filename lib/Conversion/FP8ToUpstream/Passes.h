//===- Passes.h - fp8-lower-to-upstream -------------------------*- C++ -*-===//

#ifndef CONVERSION_FP8TOUPSTREAM_PASSES_H
#define CONVERSION_FP8TOUPSTREAM_PASSES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/Pass.h"

namespace fp8c {

#define GEN_PASS_DECL
#include "Conversion/FP8ToUpstream/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "Conversion/FP8ToUpstream/Passes.h.inc"

} // namespace fp8c

#endif // CONVERSION_FP8TOUPSTREAM_PASSES_H
