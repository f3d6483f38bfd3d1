//===- Recipe.cpp - Evaluation of a recipe's rules ------------------------===//

#include "FP8/Transforms/Recipe.h"

#include "FP8/IR/Precision.h"
#include "Train/IR/Train.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;

bool fp8::sayTheSame(const Settings &a, const Settings &b) {
  bool same = true;
  forEachSetting(a, b, [&](StringRef, const auto &ofA, const auto &ofB) {
    same &= ofA.has_value() == ofB.has_value() &&
            (!ofA || ofA->value == ofB->value);
  });
  return same;
}

/// Layers are numbered from 0 by the names of the ops.
RecipeEvaluator::RecipeEvaluator(const Recipe &recipe, Operation *root)
    : recipe(recipe), applied(recipe.rules.size()) {
  root->walk([&](Operation *op) {
    numLayers = std::max(numLayers, getLayer(getName(op)) + 1);
  });
}

//===----------------------------------------------------------------------===//
// Matching
//===----------------------------------------------------------------------===//

// A key that is not given matches everything.

static bool matchesGlob(ArrayRef<llvm::GlobPattern> globs, StringRef text) {
  return globs.empty() ||
         llvm::any_of(globs, [&](auto &glob) { return glob.match(text); });
}

/// Any of the names that something has.
static bool matchesName(ArrayRef<llvm::GlobPattern> globs, StringRef name,
                        ArrayRef<StringRef> partNames) {
  return matchesGlob(globs, name) ||
         llvm::any_of(partNames,
                      [&](StringRef part) { return matchesGlob(globs, part); });
}

static bool matchesWord(ArrayRef<StringRef> words, StringRef word) {
  return words.empty() || llvm::is_contained(words, word);
}

static bool matchesOperand(const Match &match, StringRef side, StringRef role) {
  return matchesWord(match.operand, side) || matchesWord(match.operand, role);
}

/// "matmul" means the op of any dialect, "train.matmul" that of one.
static bool matchesOpName(ArrayRef<llvm::GlobPattern> globs, StringRef op) {
  return matchesGlob(globs, op) || matchesGlob(globs, op.split('.').second);
}

bool RecipeEvaluator::matchesLayer(const Match &match, int64_t layer) const {
  auto absolute = [&](int64_t wanted) {
    return wanted == kFirstLayer  ? 0
           : wanted == kLastLayer ? numLayers - 1
                                  : wanted;
  };
  return match.layer.empty() ||
         (layer >= 0 && llvm::any_of(match.layer, [&](int64_t wanted) {
            return layer == absolute(wanted);
          }));
}

bool RecipeEvaluator::matchesOp(const Match &match, const OpFacts &op) const {
  if (match.ofVariables() ||
      (op.gemm.empty() && !(match.gemm.empty() && match.operand.empty())))
    return false;
  return matchesOpName(match.op, op.op) &&
         matchesName(match.name, op.name, op.partNames) &&
         matchesWord(match.gemm, op.gemm) && matchesWord(match.part, op.part) &&
         matchesLayer(match, op.layer);
}

//===----------------------------------------------------------------------===//
// Evaluation
//===----------------------------------------------------------------------===//

template <typename T>
static void overlay(std::optional<Setting<T>> &setting,
                    const std::optional<Setting<T>> &later) {
  if (later)
    setting = later;
}

Settings RecipeEvaluator::forOp(const OpFacts &op) {
  Settings settings = recipe.defaults;
  for (auto [i, rule] : llvm::enumerate(recipe.rules)) {
    if (!rule.settings.hasOpSettings() || !matchesOp(rule.match, op) ||
        !(matchesOperand(rule.match, kLhs, op.lhsRole) ||
          matchesOperand(rule.match, kRhs, op.rhsRole)))
      continue;
    applied[i] = true;
    overlay(settings.result, rule.settings.result);
    overlay(settings.fastAccum, rule.settings.fastAccum);
    overlay(settings.merge, rule.settings.merge);
  }
  return settings;
}

OperandSettings RecipeEvaluator::forOperand(const OpFacts &op, StringRef side,
                                            StringRef role) {
  OperandSettings settings{recipe.defaults, *recipe.defaults.result};
  auto rememberWide = [&](const Settings &from) {
    if (from.format && isWide(from.format->value))
      settings.wide = *from.format;
  };
  rememberWide(recipe.defaults);
  for (auto [i, rule] : llvm::enumerate(recipe.rules)) {
    if (!rule.settings.hasOperandSettings() || !matchesOp(rule.match, op) ||
        !matchesOperand(rule.match, side, role))
      continue;
    applied[i] = true;
    rememberWide(rule.settings);
    overlay(settings.format, rule.settings.format);
    overlay(settings.scaling, rule.settings.scaling);
    overlay(settings.granularity, rule.settings.granularity);
    overlay(settings.window, rule.settings.window);
    overlay(settings.margin, rule.settings.margin);
    overlay(settings.pow2, rule.settings.pow2);
  }
  return settings;
}

Settings RecipeEvaluator::forVariable(const VariableFacts &variable) {
  Settings settings = recipe.defaults;
  for (auto [i, rule] : llvm::enumerate(recipe.rules)) {
    const Match &match = rule.match;
    if (!rule.settings.hasVariableSettings() || match.ofOps() ||
        !matchesName(match.variable, variable.name, variable.partNames) ||
        !matchesWord(match.role, variable.role) ||
        !matchesWord(match.part, variable.part) ||
        !(match.rank.empty() ||
          llvm::is_contained(match.rank, variable.rank)) ||
        !(match.usedBy.empty() || llvm::any_of(variable.usedBy,
                                               [&](StringRef op) {
                                                 return matchesOpName(
                                                     match.usedBy, op);
                                               })) ||
        !matchesLayer(match, getLayer(variable.name)))
      continue;
    applied[i] = true;
    overlay(settings.storage, rule.settings.storage);
    overlay(settings.squareRoot, rule.settings.squareRoot);
    overlay(settings.stochastic, rule.settings.stochastic);
    overlay(settings.wire, rule.settings.wire);
    overlay(settings.nativeSum, rule.settings.nativeSum);
  }
  return settings;
}

LogicalResult RecipeEvaluator::checkAllApplied(bool mustApply) const {
  LogicalResult result = success();
  for (auto [rule, isApplied] : llvm::zip(recipe.rules, applied)) {
    if (isApplied || rule.optional)
      continue;
    constexpr StringLiteral text = "the rule matches nothing in this module "
                                   "(say 'optional: true' if it need not)";
    if (mustApply)
      result = emitError(rule.loc, text);
    else
      emitRemark(rule.loc, text);
  }
  return result;
}
