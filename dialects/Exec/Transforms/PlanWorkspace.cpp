//===- PlanWorkspace.cpp - exec-plan-workspace ----------------------------===//

#include "Exec/IR/Exec.h"
#include "Exec/Transforms/Passes.h"
#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace fp8c::exec {
#define GEN_PASS_DEF_PLANWORKSPACE
#include "Exec/Transforms/Passes.h.inc"
} // namespace fp8c::exec

/// What the runtime always has for cuBLASLt: `min_workspace_bytes` in
/// runtime/kernels/cuda/stream.h.
static constexpr int64_t kLeast = int64_t(32) << 20;

/// Ids and positions with copies of both, twice because a radix sort moves them
/// back and forth, then two f32 rows for every `stretch` sorted ids
/// (runtime/kernels/cuda/embedding.cuh).
static int64_t getEmbeddingBackwardBytes(int64_t ids, int64_t width) {
  constexpr int64_t stretch = 16;
  return 3 * ids * 12 + 2 * llvm::divideCeil(ids, stretch) * width * 4;
}

/// Of one head. On Hopper cuDNN's deterministic algorithm writes the gradients
/// of all scores out in 16 bits, in tiles of 64 x 64 (`use_dp_workspace` in
/// cudnn-frontend's scaled_dot_product_flash_attention.h), and f32 sums of
/// dO * O over rows.
static int64_t getAttentionBackwardBytes(int64_t seq, int64_t kvSeq) {
  constexpr int64_t tile = 64;
  return llvm::alignTo(seq, tile) * llvm::alignTo(kvSeq, tile) * 2 + seq * 4;
}

/// As library::has_attention() in runtime/cuda/Attention.cpp: all other
/// attention has kernels of its own, without a workspace.
static bool takesCudnn(exec::CallOp call, int64_t headDim) {
  Type type = cast<MemRefType>(call.getInputs()[0].getType()).getElementType();
  return (type.isBF16() || type.isF16()) && headDim % 8 == 0 && headDim <= 128;
}

static int64_t getNumber(exec::CallOp call, StringRef name) {
  return call->getAttrOfType<IntegerAttr>(name).getInt();
}

/// Gives the call a buffer that lives as long as it runs.
static void addScratch(exec::CallOp call, int64_t bytes) {
  OpBuilder builder(call);
  auto scratch = AllocOp::create(builder, call.getLoc(),
                                 MemRefType::get({bytes}, builder.getI8Type()),
                                 IntegerAttr());
  train::setName(scratch, (train::getName(call) + ".workspace").str());
  train::setPhase(scratch, train::getPhase(call));
  call.getOutputsMutable().append(scratch.getResult());
}

namespace {
struct PlanWorkspace : exec::impl::PlanWorkspaceBase<PlanWorkspace> {
  using Base::Base;
  void runOnOperation() override {
    int64_t shared = kLeast;
    getOperation().walk([&](exec::CallOp call) {
      auto number = [&](StringRef name) { return getNumber(call, name); };
      if (call.getCallee() == "embedding_backward")
        shared = std::max(
            shared, getEmbeddingBackwardBytes(number("n"), number("width")));
      if (call.getCallee() == "attention_backward" &&
          takesCudnn(call, number("head_dim")))
        addScratch(call, number("batch") * number("heads") *
                             getAttentionBackwardBytes(number("seq"),
                                                       number("kv_seq")));
    });
    getOperation()->setAttr(kWorkspaceAttr,
                            Builder(&getContext()).getI64IntegerAttr(shared));
  }
};
} // namespace
