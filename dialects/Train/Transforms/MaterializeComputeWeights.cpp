//===- MaterializeComputeWeights.cpp - train-materialize-compute-weights -===//

#include "Train/Transforms/Passes.h"
#include "Train/IR/Train.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;

namespace fp8c::train {
#define GEN_PASS_DEF_MATERIALIZECOMPUTEWEIGHTS
#include "Train/Transforms/Passes.h.inc"
} // namespace fp8c::train

namespace {
struct MaterializeComputeWeights : train::impl::MaterializeComputeWeightsBase<MaterializeComputeWeights> {
  using Base::Base;
  void runOnOperation() override {}
};
} // namespace
