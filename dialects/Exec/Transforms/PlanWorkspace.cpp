//===- PlanWorkspace.cpp - exec-plan-workspace ----------------------------===//

#include "Exec/IR/Exec.h"
#include "Exec/Transforms/Passes.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::exec;

namespace fp8c::exec {
#define GEN_PASS_DEF_PLANWORKSPACE
#include "Exec/Transforms/Passes.h.inc"
} // namespace fp8c::exec

/// What fp8c's own attention by tensor cores takes
/// (runtime/cuda/TiledAttention.cu).
static constexpr int64_t kWidestTiledHead = 256;

template <typename Op> static int64_t getHeadDim(Op op) {
  return op.getQ().getType().getDimSize(2) / int64_t(op.getHeads());
}

/// On Hopper cuDNN's deterministic algorithm writes the gradients of all scores
/// out in 16 bits, in tiles of 64 x 128, and f32 sums of dO * O over rows.
/// Where query heads share keys and values, each has gradients of its own
/// first. So cuDNN 9.14 says for 14 shapes, within 272 bytes; the rest is for
/// alignment.
static int64_t getAttentionBackwardBytes(AttentionBackwardOp op,
                                         int64_t batch) {
  constexpr int64_t slack = 1 << 10;
  int64_t seq = op.getQ().getType().getDimSize(1),
          kvSeq = op.getK().getType().getDimSize(1);
  int64_t head =
      llvm::alignTo(seq, 64) * llvm::alignTo(kvSeq, 128) * 2 + seq * 4;
  if (op.getHeads() != op.getKvHeads())
    head += 2 * kvSeq * getHeadDim(op) * 2;
  return batch * int64_t(op.getHeads()) * head + slack;
}

/// As few parts of the batch as keep the scratch within `most` bytes: the
/// smaller they are, the less they fill the device.
static int64_t getAttentionParts(AttentionBackwardOp op, int64_t most) {
  int64_t batch = op.getQ().getType().getDimSize(0), parts = 1;
  while (parts < batch &&
         (batch % parts || getAttentionBackwardBytes(op, batch / parts) > most))
    ++parts;
  return parts;
}

/// What cuDNN has no attention for, or nothing, as far as is known without it:
/// the runtime asks it (runtime/cuda/Attention.cpp). All other attention has
/// kernels of fp8c's own, whose scratch is the shared workspace. f32 is not
/// asked of cuDNN.
template <typename Op>
static std::string getCudnnObstacle(Op op, const TargetTraits &target) {
  constexpr bool backward = std::is_same_v<Op, AttentionBackwardOp>;
  int64_t headDim = getHeadDim(op);
  int64_t widest =
      backward ? target.attentionBackwardWidth : target.attentionForwardWidth;
  if (headDim % 8 != 0)
    return llvm::formatv("heads of {0} are no multiple of 8", headDim);
  if (headDim > widest)
    return llvm::formatv("heads of {0} are wider than {1}", headDim, widest);
  int64_t queries = op.getQ().getType().getDimSize(1),
          keys = op.getK().getType().getDimSize(1);
  if (backward && queries == 1 && keys == 1)
    return "there is one token";
  bool isPadded = op.getLengths() || queries % 128 || keys % 128;
  if (op.getSoftcap() &&
      (op.getCausal() || op.getBias() || (backward && isPadded)))
    return "scores are capped, and that is not all";
  if (op.getWindow() && op.getBias())
    return "there is a window and a bias";
  if (op.getWindow() && op.getLengths())
    return "there is a window of padded keys";
  if (op.getWindow() && !backward && queries > keys)
    return "there are a window and fewer keys than queries";
  if (op.getBias() && op.getBias().getType().getDimSize(3) == 1 && keys > 1)
    return "the bias is the same for all keys";
  return "";
}

namespace {
struct PlanWorkspace : exec::impl::PlanWorkspaceBase<PlanWorkspace> {
  using Base::Base;
  void runOnProgram() override {
    target = &getTarget(getOperation());
    if (!gpu.empty()) {
      auto attr = TargetAttr::getFor([&] { return getOperation().emitError(); },
                                     &getContext(), "cuda", gpu);
      if (!attr)
        return signalPassFailure();
      target = &attr.getTraits();
    }
    int64_t shared = target->leastWorkspaceBytes;
    if (!shared)
      return;
    getOperation().walk([&](WorkOpInterface op) {
      shared = std::max(shared, op.getSharedWorkspaceBytes());
    });
    getOperation()->setAttr(kWorkspaceAttr,
                            Builder(&getContext()).getI64IntegerAttr(shared));
    getOperation().walk([&](Operation *op) {
      if (auto forward = dyn_cast<AttentionOp>(op))
        hasCudnnKernel(forward);
      else if (auto backward = dyn_cast<AttentionBackwardOp>(op);
               backward && hasCudnnKernel(backward) && !backward.getWorkspace())
        planAttention(backward);
    });
  }

private:
  /// Whether cuDNN does it; warns where it is the first that it does not do,
  /// though it has the type.
  template <typename Op> bool hasCudnnKernel(Op op) {
    Type element = op.getQ().getType().getElementType();
    if (!element.isBF16() && !element.isF16())
      return false;
    std::string obstacle = getCudnnObstacle(op, *target);
    if (!obstacle.empty() && !std::exchange(told, true))
      emitWarning(op.getLoc())
          << "cuDNN has no attention for this shape on " << target->name << " ("
          << obstacle << "): kernels of fp8c's own do it, "
          << (getHeadDim(op) > kWidestTiledHead ? "without tensor cores"
                                                : "at less speed");
    return obstacle.empty();
  }

  /// Gives it a buffer that lives as long as it runs.
  void planAttention(AttentionBackwardOp op) {
    if (maxScratchBytes)
      op.setParts(getAttentionParts(op, maxScratchBytes));
    int64_t bytes = getAttentionBackwardBytes(
        op, op.getQ().getType().getDimSize(0) / int64_t(op.getParts()));
    OpBuilder builder(op);
    auto scratch = AllocOp::create(
        builder, op.getLoc(), MemRefType::get({bytes}, builder.getI8Type()),
        IntegerAttr());
    train::copyNameAndPhase(op, scratch, ".workspace");
    op.getWorkspaceMutable().assign(scratch);
  }

  const TargetTraits *target = nullptr;
  bool told = false;
};
} // namespace
