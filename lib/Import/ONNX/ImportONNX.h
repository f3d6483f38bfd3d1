//===- ImportONNX.h - From an ONNX file to the train dialect ----*- C++ -*-===//
//
// The first stage of the compiler: a forward graph, in f32, with the semantics
// of ONNX (opsets 7 and later).
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_IMPORT_ONNX_IMPORTONNX_H
#define FP8C_IMPORT_ONNX_IMPORTONNX_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <optional>

namespace fp8c {

/// What a tensor of the file is in a training.
enum class TensorKind {
  Parameter, ///< trained
  Frozen,    ///< a parameter that stays as it is
  Constant,  ///< a mask, a table, a number
  Undecided  ///< the file does not tell
};

/// A pattern of names (`*`, `?`, `[a-c]`, `{a,b}`) and whether what it matches
/// is trained.
struct NamePattern {
  std::string pattern;
  bool isTrained;
};

/// The rule for models that `fp8c model` has written: all of their floats are
/// trained but tables of rotations.
constexpr llvm::StringLiteral kOwnModelRule = "fp8c wrote the model";

/// A float tensor of the file that the graph uses.
struct TensorReport {
  std::string name;     ///< The variable's, or the file's.
  std::string fileName; ///< Where it is another one.
  llvm::SmallVector<int64_t> shape;
  TensorKind kind;
  std::string rule;   ///< Why, in words.
  std::string tiedTo; ///< The variable that it is one with.
};

/// What importing has found out, for people to read.
struct ImportReport {
  std::vector<TensorReport> tensors; ///< in the order of the file
  int64_t integers = 0;              ///< tensors of integers and booleans
  std::vector<std::string> inputs;   ///< a line for each input's role
};

struct ImportONNXOptions {
  /// Sizes of the dimensions that the file leaves open: those called `batch`
  /// and `seq`, and the two of an input of token ids [batch, seq] whatever they
  /// are called. 0 means not given. A given size must agree with a fixed one.
  int64_t batch = 0;
  int64_t seq = 0;

  /// Sizes of other dimensions by name, and roles of inputs by theirs.
  std::vector<std::pair<std::string, int64_t>> dims;
  std::vector<std::pair<std::string, std::string>> inputs;

  /// The id that fills short texts up; with it the attention mask is computed
  /// from the tokens, and labels at padding do not count.
  std::optional<int64_t> pad;

  /// Which tensors are trained: of the patterns that match the last counts.
  /// Names in `parameters` are trained where no pattern says otherwise.
  std::vector<NamePattern> patterns;
  std::vector<std::string> parameters;

  /// Whether a tensor that may or may not be a parameter is an error. If not it
  /// is a constant, with a warning.
  bool isForTraining = false;

  /// Filled in where it is given.
  ImportReport *report = nullptr;
};

/// Imports the model at `path`:
///
/// - its parameters become `train.variable`s, whose data stays in the file;
/// - its graph becomes `func.func @forward`, and, if it goes from one input of
///   token ids to logits [batch, seq, vocabulary] and its batch is open, also
///   `@infer`, the same for a batch of 1.
///
/// Loads the dialects it needs into `context`. On failure emits all that it
/// finds wrong as errors and returns null.
mlir::OwningOpRef<mlir::ModuleOp> importONNX(llvm::StringRef path,
                                             const ImportONNXOptions &options,
                                             mlir::MLIRContext &context);

} // namespace fp8c

#endif // FP8C_IMPORT_ONNX_IMPORTONNX_H
