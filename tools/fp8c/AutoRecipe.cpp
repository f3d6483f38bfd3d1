//===- AutoRecipe.cpp - Formats chosen by measurement ---------------------===//

#include "AutoRecipe.h"

#include "AutoProducts.h"
#include "Train/IR/Train.h"
#include "core/Error.h"
#include "core/Escape.h"
#include "core/Json.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace fp8c;
using runtime::JsonField;

namespace {
/// What a role's variables may be kept in.
struct Candidate {
  StringRef format; // as in the statistics; empty: f32
  int bytes;
  StringRef settings; // lines of the recipe
};

/// How far a candidate is from its criterion, in the worst matrix.
struct Verdict {
  double excess = 0; // 0: fulfilled; else log2 of how many times it is missed
  std::string text;
};

struct Role {
  StringRef name, criterion;
  SmallVector<Candidate>
      candidates; // from few bytes to many, better ones first
  SmallVector<Verdict> verdicts;
};
} // namespace

/// Of the file that fp8c-run profile writes.
static constexpr int64_t kStatisticsFormat = 2;
static constexpr double kLeastSNR = 20, kMostUnderflow = 1e-3, kMostLost = 0.1;

static SmallVector<Role> getRoles() {
  const StringRef e4m3 = "    storage: e4m3\n",
                  stochastic = "    storage: e4m3\n    rounding: stochastic\n";
  const StringRef root =
      "    storage: e4m3\n    expansion: sqrt\n    rounding: stochastic\n";
  const StringRef f16 = "    storage: f16-scaled\n",
                  bf16 = "    storage: bf16\n", f32 = "    storage: f32\n";
  return {{"gradient",
           "signal to noise of 20 dB",
           {{"e4m3", 1, e4m3}, {"bf16", 2, bf16}, {"", 4, f32}},
           {}},
          {"moment1",
           "signal to noise of 20 dB",
           {{"e4m3", 1, stochastic}, {"f16-scaled", 2, f16}, {"", 4, f32}},
           {}},
          {"moment2",
           "underflow of 0.1 %: a zero divides",
           {{"e4m3", 1, stochastic},
            {"e4m3-sqrt", 1, root},
            {"f16-scaled", 2, f16},
            {"", 4, f32}},
           {}},
          {"parameter",
           "10 % of a step's changes lost",
           {{"e4m3", 1, e4m3},
            {"f16-scaled", 2, f16},
            {"bf16", 2, bf16},
            {"", 4, f32}},
           {}}};
}

/// The worst matrix of a role in one format.
static Verdict judge(const Role &role, StringRef format,
                     const std::vector<JsonField> &variables) {
  Verdict worst;
  if (format.empty())
    return {0, "as computed"};
  double most = -1;
  for (const JsonField &variable : variables) {
    if (variable.at("role").string() != role.name ||
        variable.at("shape").items().size() < 2)
      continue;
    JsonField stats = variable.at("formats").at(format.str()).at("tensor");
    double miss;
    std::string text;
    llvm::raw_string_ostream os(text);
    if (role.name == "moment2") {
      double underflow = stats.at("underflow").number();
      miss = underflow / kMostUnderflow;
      os << llvm::format("%.3g %% underflow", 100 * underflow);
    } else if (role.name == "parameter") {
      double lost = stats.at("lost_changes").number();
      miss = lost / kMostLost;
      os << llvm::format("%.3g %% of changes lost", 100 * lost);
    } else {
      double snr = stats.at("snr_db").number();
      miss = std::pow(10, (kLeastSNR - snr) / 20);
      os << llvm::format("%.3g dB", snr);
    }
    if (miss > most) {
      most = miss;
      worst = {miss > 1 ? std::log2(miss) : 0,
               text + " in " +
                   runtime::printable(variable.at("name").string())};
    }
  }
  return worst;
}

/// The statistics must be of this model: every parameter by name and shape.
static LogicalResult checkModel(ModuleOp module, StringRef path,
                                const std::vector<JsonField> &variables) {
  llvm::StringMap<std::vector<int64_t>> known;
  for (const JsonField &variable : variables)
    if (variable.at("role").string() == "parameter")
      for (const JsonField &size : (known[variable.at("name").string()] = {},
                                   variable.at("shape").items()))
        known[variable.at("name").string()].push_back(size.integer());
  for (auto variable : module.getOps<train::VariableOp>()) {
    if (variable.getRole() != train::Role::parameter)
      continue;
    StringRef name = variable.getSymName();
    auto it = known.find(name);
    if (it == known.end()) {
      StringRef nearest;
      auto distance = [&](StringRef other) { // quadratic in their lengths
        return name.take_front(200).edit_distance(other.take_front(200));
      };
      for (auto &entry : known)
        if (nearest.empty() || distance(entry.first()) < distance(nearest))
          nearest = entry.first();
      return variable.emitError()
             << path
             << " holds statistics of another model: it has no parameter '"
             << name << "'; the nearest is '" << nearest << "'";
    }
    if (ArrayRef<int64_t>(it->second) !=
        cast<ShapedType>(variable.getType()).getShape())
      return variable.emitError()
             << path << " holds statistics of another model: its '" << name
             << "' has shape ["
             << llvm::join(llvm::map_range(
                               it->second,
                               [](int64_t n) { return std::to_string(n); }),
                           ", ")
             << "]";
  }
  return success();
}

static constexpr StringLiteral kDefaults = R"(defaults:
  result: bf16
  format: bf16
  storage: f32
  scaling: delayed
  window: 16
  pow2: true

rules:
)";

/// Of all choices the one that misses the criteria by least, and of those the
/// one of the fewest bytes.
static SmallVector<size_t> choose(ArrayRef<Role> roles, double budget) {
  SmallVector<size_t> best, choice(roles.size(), 0);
  double bestExcess = 0;
  int bestBytes = 0;
  while (true) {
    double excess = 0;
    int bytes = 0;
    for (auto [role, i] : llvm::zip(roles, choice)) {
      excess += role.verdicts[i].excess;
      bytes += role.candidates[i].bytes;
    }
    bool fits = budget == 0 || bytes <= budget;
    if (fits && (best.empty() || excess < bestExcess ||
                 (excess == bestExcess && bytes < bestBytes)))
      best = choice, bestExcess = excess, bestBytes = bytes;
    size_t place = 0;
    while (place < roles.size() &&
           ++choice[place] == roles[place].candidates.size())
      choice[place++] = 0;
    if (place == roles.size())
      return best;
  }
}

static LogicalResult write(ModuleOp module, StringRef path, double budget,
                           StringRef output) {
  runtime::Json document = runtime::readJson(path.str());
  JsonField root(document, path.str());
  if (root.at("format").integer() != kStatisticsFormat)
    throw root.at("format").error(
        "is not " + std::to_string(kStatisticsFormat),
        "measure again with the fp8c-run of this installation");
  std::vector<JsonField> variables = root.at("variables").items();
  if (failed(checkModel(module, path, variables)))
    return failure();
  SmallVector<Role> roles = getRoles();
  for (Role &role : roles)
    for (const Candidate &candidate : role.candidates)
      role.verdicts.push_back(judge(role, candidate.format, variables));
  SmallVector<size_t> choice = choose(roles, budget);
  if (choice.empty())
    return module.emitError() << "no choice of formats takes "
                              << llvm::formatv("{0:f1}", budget).str()
                              << " bytes per parameter: the least is 4";

  std::error_code error;
  llvm::raw_fd_ostream os(output, error);
  if (error)
    return module.emitError()
           << "cannot write " << output << ": " << error.message();
  int bytes = 0;
  for (auto [role, i] : llvm::zip(roles, choice))
    bytes += role.candidates[i].bytes;
  os << "# Chosen by measurement: " << runtime::printable(path) << ", after "
     << root.at("steps").integer()
     << " steps. Read it, edit it, give it to --recipe.\n"
     << "# Bytes per parameter of a matrix: " << bytes
     << ".\nname: auto\ndescription: The fewest bytes that the "
        "statistics allow\n\n"
     << kDefaults;
  writeProducts(root, os);
  for (auto [role, i] : llvm::zip(roles, choice)) {
    os << "\n  # Criterion: " << role.criterion << ".\n";
    for (auto [j, candidate] : llvm::enumerate(role.candidates)) {
      const Verdict &verdict = role.verdicts[j];
      os << "  #   " << (candidate.format.empty() ? "f32" : candidate.format)
         << ": " << verdict.text
         << (j == i               ? (verdict.excess > 0
                                         ? " - misses it, but the budget asks for it"
                                         : " - chosen")
             : verdict.excess > 0 ? " - rejected"
                                  : " - not needed")
         << "\n";
    }
    os << "  - match: { role: " << role.name << " }\n    optional: true\n"
       << role.candidates[i].settings;
  }
  os << "\n  # Gains and biases are few.\n  - match: { rank: [0, 1] }\n    "
        "optional: true\n    storage: f32\n    expansion: none\n    rounding: "
        "nearest\n";
  return success();
}

LogicalResult fp8c::writeAutoRecipe(ModuleOp module, StringRef stats,
                                    double budget, StringRef output) {
  try {
    return write(module, stats, budget, output);
  } catch (const runtime::Error &error) {
    InFlightDiagnostic diagnostic = module.emitError() << error.what();
    if (!error.hint().empty())
      diagnostic.attachNote() << error.hint();
    return diagnostic;
  }
}
