//===- AutoProducts.cpp - Formats of products by measurement --------------===//

#include "AutoRecipe/AutoProducts.h"

#include "AutoRecipe/AutoCriteria.h"
#include "FP8/Transforms/Recipe.h"
#include "Train/IR/Train.h"
#include "core/Escape.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace fp8c;
using runtime::JsonField;

static constexpr StringLiteral kGemms[] = {"fwd", "dgrad", "wgrad"};

namespace {
/// An operand, as the statistics have it.
struct Operand {
  std::string name, role;
  JsonField formats;
  bool isMatrix;
};

/// The operands of one role that a kind of product has in its layers.
struct OperandKind {
  std::map<int64_t, SmallVector<Operand>> layers;
};

/// A format for them, and the layers in which it misses the criterion.
struct Choice {
  StringRef format;
  std::set<int64_t> missing;
  double miss = 0; ///< of the worst: above 1 the criterion is missed
  std::string worst;
};

/// A product and its gradients, which read the operands of these roles.
struct ProductKind {
  std::map<std::string, OperandKind> operands;
  std::map<std::string, std::set<std::string>> roles; ///< by "fwd", ...
  std::set<int64_t> layers;
  std::string example; ///< the name of one of them
};
} // namespace

static Limits getLimits() {
  Limits limits;
  limits.snr = 20;
  limits.underflow = limits.lines = 0.01;
  return limits;
}

static llvm::MapVector<StringRef, ProductKind>
readProducts(const JsonField &statistics, llvm::StringSet<> &names) {
  llvm::MapVector<StringRef, ProductKind> kinds;
  for (const JsonField &entry : statistics.at("operands").items()) {
    Operand operand{entry.at("name").string(), entry.at("role").string(),
                    entry.at("formats"), entry.at("shape").items().size() > 1};
    std::set<std::string> ops; // that read it, each once
    for (const JsonField &use : entry.at("uses").items()) {
      std::string op = use.at("op").string();
      int64_t layer = train::getLayer(op);
      ProductKind &kind = kinds[names.insert(getKind(op)).first->first()];
      kind.example = op;
      kind.layers.insert(layer);
      kind.roles[use.at("gemm").string()].insert(operand.role);
      if (ops.insert(op).second)
        kind.operands[operand.role].layers[layer].push_back(operand);
    }
  }
  return kinds;
}

static Choice judgeAll(const OperandKind &kind, StringRef format) {
  Choice choice{format, {}, -1, {}};
  for (auto &[layer, operands] : kind.layers)
    for (const Operand &operand : operands) {
      Verdict verdict = judge(operand.formats.at(format.str()).at("tensor"),
                              getLimits(), operand.isMatrix);
      if (verdict.isMissed())
        choice.missing.insert(layer);
      if (verdict.miss <= choice.miss)
        continue;
      choice.miss = verdict.miss;
      choice.worst = verdict.text + " in " + runtime::printable(operand.name);
    }
  return choice;
}

/// Of the formats that hardware has for the role the one that misses the
/// criterion in the fewest layers, and of those the one that is farther from
/// it. Says so.
static Choice choose(StringRef role, const OperandKind &kind,
                     llvm::raw_ostream &os) {
  // Two operands in E5M2 cannot be multiplied: only gradients have the choice.
  SmallVector<Choice> choices = {judgeAll(kind, "e4m3")};
  if (role == fp8::kGradient)
    choices.push_back(judgeAll(kind, "e5m2"));
  Choice best =
      *llvm::min_element(choices, [](const Choice &a, const Choice &b) {
        return std::pair(a.missing.size(), a.miss) <
               std::pair(b.missing.size(), b.miss);
      });
  for (const Choice &choice : choices) {
    bool isBest = choice.format == best.format;
    os << "  #   " << role << ", " << choice.format << ": " << choice.worst
       << (choice.missing.empty() ? (isBest ? " - chosen" : " - not needed")
           : choice.missing.size() == kind.layers.size() ? " - rejected"
           : isBest ? " - chosen but for some layers"
                    : " - rejected")
       << "\n";
  }
  return best;
}

static void writeKind(StringRef name, const ProductKind &kind,
                      llvm::raw_ostream &os) {
  os << "\n  # " << runtime::printable(name) << "\n";
  if (name.contains("lm_head")) {
    os << "  # The logits decide the loss directly: bf16, by default.\n";
    return;
  }
  std::map<std::string, Choice> choices;
  for (auto &[role, operands] : kind.operands)
    choices[role] = choose(role, operands, os);
  // A product is FP8 in the layers in which all its operands can be.
  std::map<std::set<int64_t>, SmallVector<StringRef>> byMissing;
  for (StringRef gemm : kGemms) {
    auto roles = kind.roles.find(gemm.str());
    if (roles == kind.roles.end())
      continue;
    std::set<int64_t> missing;
    for (const std::string &role : roles->second)
      missing.insert(choices[role].missing.begin(),
                     choices[role].missing.end());
    byMissing[missing].push_back(gemm);
  }
  auto match = [&](ArrayRef<StringRef> gemms) {
    std::string text = "  - match: { name: " + quoteKind(kind.example);
    if (gemms.size() < kind.roles.size())
      text += ", gemm: [" + llvm::join(gemms, ", ") + "]";
    return text;
  };
  // A program that only infers has no backward.
  auto optional = [&](ArrayRef<StringRef> gemms) {
    return llvm::is_contained(gemms, kGemms[0]) ? "" : "    optional: true\n";
  };
  for (auto &[missing, gemms] : byMissing) {
    if (missing.size() == kind.layers.size()) {
      os << "  # " << llvm::join(gemms, ", ") << ": bf16, by default.\n";
      continue;
    }
    os << match(gemms) << " }\n" << optional(gemms) << "    format: e4m3\n";
    auto gradient = choices.find(fp8::kGradient.str());
    if (gradient != choices.end() && gradient->second.format == "e5m2" &&
        gemms != ArrayRef<StringRef>(kGemms[0]))
      os << match(gemms) << ", operand: gradient }\n    optional: true\n"
         << "    format: e5m2\n";
    if (missing.empty())
      continue;
    SmallVector<std::string> layers;
    for (int64_t layer : missing)
      layers.push_back(std::to_string(layer));
    os << match(gemms) << ", layer: [" << llvm::join(layers, ", ") << "] }\n"
       << optional(gemms) << "    format: bf16\n";
  }
}

void fp8c::writeProducts(const JsonField &statistics, llvm::raw_ostream &os) {
  os << "  # Accumulation as in fp8-lm.yaml.\n"
        "  - match: { gemm: fwd }\n"
        "    fast_accum: true\n";
  if (statistics.has("operands")) {
    os << "\n  # Matrix products. Limits, for each operand with one scale: "
       << getLimits().text() << ";\n  # the worst layer is given.\n";
    llvm::StringSet<> names;
    for (auto &[name, kind] : readProducts(statistics, names))
      writeKind(name, kind, os);
  } else {
    os << R"(
  # Matrix products as in fp8-lm.yaml. To have their formats measured, profile a
  # program that was compiled with --expose-operands.
  - match: { gemm: [fwd, dgrad, wgrad] }
    format: e4m3
  - match: { gemm: [dgrad, wgrad], operand: gradient }
    optional: true
    format: e5m2
  - match: { name: "*lm_head*" }
    optional: true
    format: bf16
)";
  }
  os << R"(
  # The kernel that updates a weight quantises it.
  - match: { operand: weight }
    optional: true
    scaling: bounded
)";
}
