//===- Patterns.h - Lowerings of the fp8 dialect's ops ----------*- C++ -*-===//

#ifndef CONVERSION_FP8TOUPSTREAM_PATTERNS_H
#define CONVERSION_FP8TOUPSTREAM_PATTERNS_H

#include "Conversion/FP8ToUpstream/Types.h"
#include "mlir/IR/BuiltinOps.h"

namespace fp8c::upstream {

void addScalePatterns(const mlir::TypeConverter &types,
                      mlir::RewritePatternSet &patterns);
void addTensorPatterns(const mlir::TypeConverter &types,
                       mlir::RewritePatternSet &patterns);
void addProductPatterns(const mlir::TypeConverter &types,
                        mlir::RewritePatternSet &patterns);

/// Fails, with an error at each op that is to blame, if anything in the module
/// has no counterpart upstream.
mlir::LogicalResult checkLowerable(mlir::ModuleOp module);

} // namespace fp8c::upstream

#endif // CONVERSION_FP8TOUPSTREAM_PATTERNS_H
