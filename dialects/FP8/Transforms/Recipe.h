//===- Recipe.h - Precision recipes ----------------------------*- C++ -*-===//
//
// A recipe says in which format every value, variable and contraction operand
// is kept: defaults, then rules in order, later ones winning. docs/recipes.md
// describes the format of the files.
//
//===----------------------------------------------------------------------===//

#ifndef FP8_TRANSFORMS_RECIPE_H
#define FP8_TRANSFORMS_RECIPE_H

#include "FP8/IR/FP8.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Location.h"
#include "llvm/Support/GlobPattern.h"
#include <optional>
#include <string>

namespace fp8c::fp8 {

/// A value that a recipe gives, and the place in the file that gives it.
template <typename T> struct Setting {
  T value;
  mlir::FileLineColLoc loc;
};

/// How a variable is kept: FP8 always with a scale, f16 with or without.
struct Storage {
  mlir::FloatType format;
  bool scaled = false;

  bool operator==(const Storage &other) const {
    return format == other.format && scaled == other.scaled;
  }
};

/// What products of one input do together. Forward: each has gradients of its
/// own, which have scales of their own.
enum class Merge { None, Forward, All };

/// What defaults or a rule decide. Unset: left as it was.
struct Settings {
  // Of a contraction's operand.
  std::optional<Setting<mlir::FloatType>> format;
  std::optional<Setting<Scaling>> scaling;
  std::optional<Setting<Granularity>> granularity;
  std::optional<Setting<int64_t>> window, margin;
  std::optional<Setting<bool>> pow2;
  // Of an op.
  std::optional<Setting<mlir::FloatType>> result;
  std::optional<Setting<bool>> fastAccum;
  std::optional<Setting<Merge>> merge;
  // Of a variable.
  std::optional<Setting<Storage>> storage;
  /// Whether a second moment is kept as its square root.
  std::optional<Setting<bool>> squareRoot;
  /// Whether scaled storage is rounded stochastically.
  std::optional<Setting<bool>> stochastic;
  /// The type in which a gradient travels between processes; unset: as it is
  /// stored, a matrix no wider than results are.
  std::optional<Setting<mlir::FloatType>> wire;
  /// Whether a gradient in FP8 is summed by the library that joins processes,
  /// which rounds at every hop, scaled by FP8-LM's mu.
  std::optional<Setting<bool>> nativeSum;

  bool hasOperandSettings() const {
    return format || scaling || granularity || window || margin || pow2;
  }
  bool hasOpSettings() const { return result || fastAccum || merge; }
  bool hasVariableSettings() const {
    return storage || squareRoot || stochastic || wire || nativeSum;
  }
};

/// Calls `visit(key, a's setting, b's setting)` for each of them.
template <typename A, typename B, typename Visitor>
void forEachSetting(A &a, B &b, Visitor visit) {
  visit("format", a.format, b.format);
  visit("scaling", a.scaling, b.scaling);
  visit("granularity", a.granularity, b.granularity);
  visit("window", a.window, b.window);
  visit("margin", a.margin, b.margin);
  visit("pow2", a.pow2, b.pow2);
  visit("result", a.result, b.result);
  visit("fast_accum", a.fastAccum, b.fastAccum);
  visit("merge", a.merge, b.merge);
  visit("storage", a.storage, b.storage);
  visit("expansion", a.squareRoot, b.squareRoot);
  visit("rounding", a.stochastic, b.stochastic);
  visit("wire", a.wire, b.wire);
  visit("reduce", a.nativeSum, b.nativeSum);
}

/// Are all settings the same, wherever they were given?
bool sayTheSame(const Settings &a, const Settings &b);

/// Layers are numbered by the names of the ops; these two are relative.
constexpr int64_t kFirstLayer = -1, kLastLayer = -2;

/// What a rule applies to: all keys that are given must match, each of them in
/// any of its values.
struct Match {
  llvm::SmallVector<llvm::GlobPattern, 0> op, name, variable, usedBy;
  llvm::SmallVector<int64_t, 1> layer, rank;
  llvm::SmallVector<llvm::StringRef, 1> gemm, operand, part, role;

  bool ofOps() const {
    return !op.empty() || !name.empty() || !gemm.empty() || !operand.empty();
  }
  bool ofVariables() const {
    return !variable.empty() || !role.empty() || !rank.empty() ||
           !usedBy.empty();
  }
};

struct Rule {
  mlir::FileLineColLoc loc;
  Match match;
  Settings settings;
  /// The match in words, equal for equal matches.
  std::string matchText;
  /// May apply to nothing; other rules that do are mistakes.
  bool optional = false;
};

struct Recipe {
  std::string name, description;
  /// Complete: where the file is silent, everything is f32.
  Settings defaults;
  llvm::SmallVector<Rule, 0> rules;
};

/// Reads a shipped recipe by its name, or a file: what has a '/' or ends in
/// ".yaml" is a path. Emits errors at the place in the file, or at `loc` if
/// there is no such recipe.
mlir::FailureOr<Recipe> readRecipe(llvm::StringRef nameOrPath,
                                   mlir::Location loc);

/// Names of the shipped recipes.
llvm::SmallVector<llvm::StringRef> getBuiltinRecipes();

//===----------------------------------------------------------------------===//
// Evaluation
//===----------------------------------------------------------------------===//

/// Words of `operand:` besides roles.
constexpr llvm::StringLiteral kLhs = "lhs", kRhs = "rhs";
/// Words of `role:` besides.
constexpr llvm::StringLiteral kParameter = "parameter", kMoment1 = "moment1",
                              kMoment2 = "moment2";

/// What rules see of an op.
struct OpFacts {
  /// Full name, as "train.matmul"; value of `fp8.name`.
  llvm::StringRef op, name;
  /// Names that the model has for it besides: of products that are one.
  llvm::ArrayRef<llvm::StringRef> partNames = {};
  /// Part of the model; empty for most ops.
  llvm::StringRef part;
  /// -1 where the name has none.
  int64_t layer = -1;
  /// Of a contraction: its phase and its operands' roles. Empty for other ops.
  llvm::StringRef gemm, lhsRole, rhsRole;
};

/// What rules see of a variable.
struct VariableFacts {
  llvm::StringRef name;
  /// Names that the model has for what is in it, if there are several.
  llvm::ArrayRef<llvm::StringRef> partNames;
  llvm::StringRef role;
  int64_t rank = 0;
  /// Names of the ops that read the parameter it is or belongs to.
  llvm::ArrayRef<llvm::StringRef> usedBy;
  /// Part of the model that it belongs to; empty for most.
  llvm::StringRef part;
};

/// Settings of a contraction's operand, every one of them given. `wide` is the
/// last format of f32, bf16 and f16 that the rules gave: what stands in for
/// FP8.
struct OperandSettings : Settings {
  Setting<mlir::FloatType> wide;
};

/// Applies a recipe's rules and remembers which of them ever applied.
class RecipeEvaluator {
public:
  RecipeEvaluator(const Recipe &recipe, mlir::Operation *root);

  Settings forOp(const OpFacts &op);
  OperandSettings forOperand(const OpFacts &op, llvm::StringRef side,
                             llvm::StringRef role);
  Settings forVariable(const VariableFacts &variable);

  /// Emits an error, or a remark, for each rule that applied to nothing and is
  /// not optional.
  mlir::LogicalResult checkAllApplied(bool mustApply) const;

private:
  bool matchesLayer(const Match &match, int64_t layer) const;
  bool matchesOp(const Match &match, const OpFacts &op) const;

  const Recipe &recipe;
  int64_t numLayers = 0;
  llvm::SmallVector<bool> applied;
};

} // namespace fp8c::fp8

#endif // FP8_TRANSFORMS_RECIPE_H
