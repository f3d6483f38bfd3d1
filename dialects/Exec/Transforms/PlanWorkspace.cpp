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

/// What the runtime always has for cuBLASLt: `min_workspace_bytes` in
/// runtime/kernels/cuda/stream.h.
static constexpr int64_t kLeast = int64_t(32) << 20;

static int64_t getNumber(exec::CallOp call, StringRef name) {
  return call->getAttrOfType<IntegerAttr>(name).getInt();
}

/// Ids and positions with copies of both, twice because a radix sort moves them
/// back and forth, then two f32 rows for every `stretch` sorted ids
/// (runtime/kernels/cuda/embedding.cuh).
static int64_t getEmbeddingBackwardBytes(exec::CallOp call) {
  constexpr int64_t stretch = 16;
  int64_t ids = getNumber(call, "n");
  return 3 * ids * 12 +
         2 * llvm::divideCeil(ids, stretch) * getNumber(call, "width") * 4;
}

/// On Hopper cuDNN's deterministic algorithm writes the gradients of all scores
/// out in 16 bits, in tiles of 64 x 128, and f32 sums of dO * O over rows.
/// Where query heads share keys and values, each has gradients of its own
/// first. So cuDNN 9.14 says for 14 shapes, within 272 bytes; the rest is for
/// alignment.
static int64_t getAttentionBackwardBytes(exec::CallOp call, int64_t batch) {
  constexpr int64_t slack = 1 << 10;
  int64_t seq = getNumber(call, "seq"), kvSeq = getNumber(call, "kv_seq"),
          heads = getNumber(call, "heads");
  int64_t head =
      llvm::alignTo(seq, 64) * llvm::alignTo(kvSeq, 128) * 2 + seq * 4;
  if (heads != getNumber(call, "kv_heads"))
    head += 2 * kvSeq * getNumber(call, "head_dim") * 2;
  return batch * heads * head + slack;
}

/// As few parts of the batch as keep the scratch within `most` bytes: the
/// smaller they are, the less they fill the device.
static int64_t getAttentionParts(exec::CallOp call, int64_t most) {
  int64_t batch = getNumber(call, "batch"), parts = 1;
  while (parts < batch && (batch % parts || getAttentionBackwardBytes(
                                                call, batch / parts) > most))
    ++parts;
  return parts;
}

/// What cuDNN has no attention for, or nothing, as far as is known without it:
/// the runtime asks it (runtime/cuda/Attention.cpp). All other attention has
/// kernels of its own, without scratch. f32 is not asked of cuDNN.
static std::string getCudnnObstacle(exec::CallOp call, bool backward,
                                    StringRef gpu) {
  int64_t headDim = getNumber(call, "head_dim");
  // cuDNN's support matrix: on Hopper both directions up to 256, elsewhere the
  // backward pass up to 128.
  int64_t widest = gpu.starts_with("sm_90") || !backward ? 256 : 128;
  if (headDim % 8 != 0)
    return llvm::formatv("heads of {0} are no multiple of 8", headDim);
  if (headDim > widest)
    return llvm::formatv("heads of {0} are wider than {1}", headDim, widest);
  if (backward && getNumber(call, "seq") == 1 && getNumber(call, "kv_seq") == 1)
    return "there is one token";
  return "";
}

static bool isHalf(exec::CallOp call) {
  Type type = cast<MemRefType>(call.getInputs()[0].getType()).getElementType();
  return type.isBF16() || type.isF16();
}

/// Gives the call a buffer that lives as long as it runs.
static void addScratch(exec::CallOp call, int64_t bytes) {
  OpBuilder builder(call);
  auto scratch = AllocOp::create(builder, call.getLoc(),
                                 MemRefType::get({bytes}, builder.getI8Type()),
                                 IntegerAttr());
  train::copyNameAndPhase(call, scratch, ".workspace");
  call.getOutputsMutable().append(scratch.getResult());
}

namespace {
struct PlanWorkspace : exec::impl::PlanWorkspaceBase<PlanWorkspace> {
  using Base::Base;
  void runOnProgram() override {
    int64_t shared = kLeast;
    bool told = false;
    getOperation().walk([&](exec::CallOp call) {
      if (call.getCallee() == "embedding_backward")
        shared = std::max(shared, getEmbeddingBackwardBytes(call));
      bool backward = call.getCallee() == "attention_backward";
      if ((!backward && call.getCallee() != "attention") || !isHalf(call))
        return;
      std::string obstacle = getCudnnObstacle(call, backward, gpu);
      if (obstacle.empty() && backward)
        planAttention(call);
      if (!obstacle.empty() && !std::exchange(told, true))
        emitWarning(call.getLoc())
            << "cuDNN has no attention for this shape on " << gpu << " ("
            << obstacle << "): plain kernels do it, slowly";
    });
    getOperation()->setAttr(kWorkspaceAttr,
                            Builder(&getContext()).getI64IntegerAttr(shared));
  }

private:
  void planAttention(exec::CallOp call) {
    int64_t parts =
        maxScratchBytes ? getAttentionParts(call, maxScratchBytes) : int64_t(1);
    if (parts > 1)
      call->setAttr("parts", Builder(call).getI64IntegerAttr(parts));
    addScratch(call, getAttentionBackwardBytes(call, getNumber(call, "batch") /
                                                         parts));
  }
};
} // namespace
