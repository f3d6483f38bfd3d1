//===- UpstreamModels.cpp - Products of upstream's dialects ---------------===//

#include "fp8c/UpstreamModels.h"

#include "Upstream/Models.h"

void fp8c::registerUpstreamModels(mlir::DialectRegistry &registry) {
  upstream::registerLinalgModels(registry);
  upstream::registerTosaModels(registry);
}
