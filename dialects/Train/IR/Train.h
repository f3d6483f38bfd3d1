//===- Train.h - Ops, attributes and interfaces of the train dialect ------===//

#ifndef TRAIN_IR_TRAIN_H
#define TRAIN_IR_TRAIN_H

#include "FP8/IR/Precision.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

#include "Train/IR/TrainDialect.h.inc"
#include "Train/IR/TrainEnums.h.inc"

namespace fp8c::train {
// Ops of programs have names, phases and formats like those of anybody.
using fp8::copyNameAndPhase;
using fp8::createFor;
using fp8::getFormat;
using fp8::getLayer;
using fp8::getName;
using fp8::getPhase;
using fp8::getPrecision;
using fp8::isBackward;
using fp8::isFP8;
using fp8::isWide;
using fp8::keepReason;
using fp8::kNameAttr;
using fp8::kPhaseAttr;
using fp8::kPrecisionAttr;
using fp8::kWhyAttr;
using fp8::Phase;
using fp8::PhaseAttr;
using fp8::PrecisionAttr;
using fp8::PrecisionOpInterface;
using fp8::ResultPrecision;
using fp8::setName;
using fp8::setPhase;
using fp8::StorageAttr;
using fp8::stringifyPhase;
} // namespace fp8c::train

#include "Train/IR/TrainInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "Train/IR/TrainAttrs.h.inc"

namespace fp8c::train {

/// The type two operands broadcast to (NumPy's rules): the shape of both, the
/// wider of the element types. Null if they do not broadcast.
mlir::Type getBroadcastType(mlir::Type lhs, mlir::Type rhs);

/// Checks that an element-wise op's result has the shape its operands broadcast
/// to.
mlir::LogicalResult verifyBroadcast(mlir::Operation *op);

/// Is the value a tensor of floats?
bool isFloat(mlir::Value value);

/// Checks that values are all floats, of whatever types, or all of one other
/// type.
mlir::LogicalResult verifyOneKind(mlir::Operation *op, mlir::ValueRange values);

/// verifyBroadcast, and that operands and result are of one kind.
mlir::LogicalResult verifyElementwise(mlir::Operation *op);

/// Of tensors or buffers. Checks that queries [batch, tokens, heads * dim],
/// keys and values [batch, keys, kvHeads * dim] go together; all are of rank 3.
mlir::LogicalResult verifyHeads(mlir::Operation *op, mlir::Value query,
                                mlir::Value key, mlir::Value value,
                                int64_t heads, int64_t kvHeads);
/// Of tensors or buffers. Checks what is done with scores [batch, heads,
/// queries, keys]: see train.attention. `bias` and `lengths` may be null.
mlir::LogicalResult verifyScores(mlir::Operation *op,
                                 llvm::ArrayRef<int64_t> scores,
                                 mlir::Value bias, mlir::Value lengths,
                                 bool causal, std::optional<int64_t> window,
                                 std::optional<llvm::APFloat> softcap);
/// Checks that tables of cosines and sines fit what they rotate, [batch,
/// tokens, heads * dim].
mlir::LogicalResult verifyAngles(mlir::Operation *op, mlir::Value rotated,
                                 mlir::ValueRange tables, int64_t rotaryDim);

/// On a gradient's variable: the type in which it travels between processes.
constexpr llvm::StringLiteral kWireAttr = "train.wire";
/// On that variable, a unit: what travels in FP8 is summed by the library that
/// joins processes, see fp8.all_reduce.
constexpr llvm::StringLiteral kNativeSumAttr = "train.native_sum";

/// On train.fusion: a name per result, and the bytes of memory traffic that it
/// saves, i64.
constexpr llvm::StringLiteral kResultNamesAttr = "train.result_names",
                              kSavedBytesAttr = "train.saved_bytes";

/// Attributes of functions' arguments and results: what it holds
/// (#train.input, #train.output), and on a gradient the parameter that it
/// belongs to.
constexpr llvm::StringLiteral kInputAttr = "train.input";
constexpr llvm::StringLiteral kOutputAttr = "train.output";
constexpr llvm::StringLiteral kGradientOfAttr = "train.gradient_of";
/// Of ids, i64: they are below it, see train-bound-ids.
constexpr llvm::StringLiteral kIdsAttr = "train.ids";
/// Of labels, i64: one that does not count besides the negative ones.
constexpr llvm::StringLiteral kIgnoreIndexAttr = "train.ignore_index";

/// On @forward: which labels (#train.input) a loss appended to its logits
/// takes; labels_next if absent, `labels` for encoders.
constexpr llvm::StringLiteral kLabelsAttr = "train.labels";
/// On a parameter's variable: what the model's file calls it, where that is
/// another name, and whether the model has it transposed.
constexpr llvm::StringLiteral kFileNameAttr = "train.file_name",
                              kTransposedAttr = "train.transposed";
/// On the module: the name of the model; what backward computes anew, as the
/// option says it; how many micro-batches a step must have, i64; and that a
/// training gives the same bits however a step is divided, a unit.
constexpr llvm::StringLiteral kModelAttr = "train.model",
                              kRecomputeAttr = "train.recompute",
                              kMicroBatchesAttr = "train.micro_batches",
                              kReproducibleAttr = "train.reproducible";
/// The hyperparameter that numbers micro-batches.
constexpr llvm::StringLiteral kMicroBatch = "micro_batch";
/// On the module, i64: the token that only fills windows up. As a label it does
/// not count.
constexpr llvm::StringLiteral kPadAttr = "train.pad";

/// What an argument holds, or nothing if it does not say.
std::optional<Input> getInput(mlir::FunctionOpInterface function,
                              unsigned index);
void setInput(mlir::FunctionOpInterface function, unsigned index, Input input);
/// The first argument that holds it; nothing if none does.
std::optional<unsigned> findInput(mlir::FunctionOpInterface function,
                                  Input input);
bool isLabels(Input input);
/// What a result is, or nothing if it does not say.
std::optional<Output> getOutput(mlir::FunctionOpInterface function,
                                unsigned index);
void setOutput(mlir::FunctionOpInterface function, unsigned index,
               Output output);

/// Is the variable one of the model's, trained or frozen?
bool isModelParameter(Role role);

/// Scalar constant tensor (shape []) of type f32.
mlir::Value scalarConstant(mlir::OpBuilder &builder, mlir::Location loc,
                           float value);

/// A ranked tensor type like `type` with another element type.
mlir::RankedTensorType withElementType(mlir::Type type, mlir::Type element);

} // namespace fp8c::train

#define GET_OP_CLASSES
#include "Train/IR/TrainOps.h.inc"

namespace fp8c::train {

/// What a collective makes of an operand, of the same type; null if the
/// operand's op is none, or joins parts.
mlir::Value getJoined(mlir::OpOperand &operand);

/// A sum `((first + t1) + t2) + …` that is assigned to a gradient, with each
/// term added where it is computed. `first` is what the variable holds, or a
/// term.
struct GradientSum {
  mlir::Value first;
  AssignOp assign;
};
/// The gradient's sum that `add` is a part of: a producer of one of its terms
/// may add to the variable in place.
std::optional<GradientSum> getGradientSum(AddOp add);
/// The most processes that a grid has: what ranks and their sums are sure of.
constexpr int64_t kMostProcesses = 1 << 20;
/// Along this axis every process has other data.
constexpr llvm::StringLiteral kDataAxis = "dp";

/// The grid of a module; null if one process runs it.
GridOp findGrid(mlir::ModuleOp module);
/// Do several processes with other data run the module?
bool isDataParallel(mlir::ModuleOp module);
/// Processes that a collective over these axes joins.
int64_t countProcesses(mlir::Operation *op, mlir::ArrayAttr axes);
/// Checks that a collective is over axes of the module's grid.
mlir::LogicalResult verifyAxes(mlir::Operation *op, mlir::ArrayAttr axes);
/// Checks besides that their processes can divide values along the first
/// dimension.
mlir::LogicalResult verifyDivides(mlir::Operation *op, mlir::ArrayAttr axes,
                                  mlir::TypeRange wholes);
/// Checks besides what each process has of them.
mlir::LogicalResult verifyShares(mlir::Operation *op, mlir::ArrayAttr axes,
                                 mlir::TypeRange shares,
                                 mlir::TypeRange wholes);

} // namespace fp8c::train

#endif // TRAIN_IR_TRAIN_H
