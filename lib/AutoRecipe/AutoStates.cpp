//===- AutoStates.cpp - Formats of states by measurement ------------------===//

#include "AutoRecipe/AutoStates.h"

#include "AutoRecipe/AutoCriteria.h"
#include "AutoRecipe/StateBytes.h"
#include "core/Escape.h"
#include "core/Text.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fp8c;
using runtime::JsonField;

namespace {
/// What a state may be kept in.
struct Format {
  StringRef name; ///< as in the statistics; f32 is not there
  int64_t bytes;  ///< of an element
  StringRef storage, expansion, rounding;
};

struct Role {
  train::Role role;
  StringRef because; ///< of the limits
  Limits limits;
  SmallVector<Format, 4> formats; ///< from many bytes to few, better ones first
};

/// A format, and how it does in the worst variable of a kind.
struct Choice {
  const Format *format;
  Verdict verdict;
};

/// Variables of one role that differ in the number of their layer alone.
struct Kind {
  const Role *role;
  std::string example;
  bool isMatrix = false;
  int64_t elements = 0;        ///< of all layers
  std::vector<Choice> choices; ///< as role->formats
  size_t chosen = 0;

  const Choice &get() const { return choices[chosen]; }
  /// Of the formats of as many bytes the first within the limits.
  bool isBest(const Choice &choice) const {
    return &choice == &*llvm::find_if(choices, [&](const Choice &other) {
      return other.format->bytes == choice.format->bytes &&
             (&other == &choice || !other.verdict.isMissed());
    }) && !choice.verdict.isMissed();
  }
};

/// The formats of all states, in the making.
class States {
public:
  States(ArrayRef<Role> roles, const std::vector<JsonField> &variables);

  double bytesPerParameter() const;
  /// Gives matrices the fewest bytes within the limits.
  void narrowMatrices();
  /// Narrows what loses least per byte, once. False: nothing can be.
  bool narrow(bool matrices);
  /// The kinds that keep most bytes, and what forbids fewer.
  std::string getHolders() const;
  void write(const Role &role, llvm::raw_ostream &os) const;

private:
  void writeRule(const Role &role, const Format &format,
                 ArrayRef<const Kind *> kinds, llvm::raw_ostream &os) const;
  void writeVerdicts(const Role &role, llvm::raw_ostream &os) const;

  std::vector<Kind> kinds;
};
} // namespace

/// Sums of gradients over micro-batches are f32, whatever recipes say.
static std::vector<Role> getRoles(bool f32Sums) {
  const StringRef none = "none", nearest = "nearest", byChance = "stochastic";
  const Format f32 = {"f32", 4, "f32", none, nearest},
               bf16 = {"bf16", 2, "bf16", none, nearest},
               f16 = {"f16-scaled", 2, "f16-scaled", none, nearest};
  auto e4m3 = [&](StringRef rounding) {
    return Format{"e4m3", 1, "e4m3", none, rounding};
  };
  auto e5m2 = [&](StringRef rounding) {
    return Format{"e5m2", 1, "e5m2", none, rounding};
  };
  const Format root = {"e4m3-sqrt", 1, "e4m3", "sqrt", byChance};
  Limits linear, divides, learns;
  linear.snr = divides.snr = 20;
  linear.underflow = learns.underflow = 0.01;
  divides.underflow = 0.001;
  linear.lines = divides.lines = learns.lines = 0.001;
  learns.changes = 0.1;
  SmallVector<Format, 4> gradients = {f32};
  if (!f32Sums)
    gradients = {f32, bf16, e4m3(nearest), e5m2(nearest)};
  return {{train::Role::gradient,
           "the update is linear in it, element by element", linear, gradients},
          {train::Role::moment1,
           "the update is linear in it, element by element",
           linear,
           {f32, f16, e4m3(byChance), e5m2(byChance)}},
          {train::Role::moment2,
           "the update divides by its root",
           divides,
           {f32, f16, root, e4m3(byChance)}},
          {train::Role::parameter,
           "what no change moves does not learn",
           learns,
           {f32, f16, bf16, e4m3(nearest)}}};
}

/// In the worst of a kind's variables.
static void addVerdict(Choice &choice, const JsonField &variable,
                       const Limits &limits, bool isMatrix) {
  std::string format = choice.format->name.str();
  Verdict verdict =
      judge(variable.at("formats").at(format).at("tensor"), limits, isMatrix);
  if (!choice.verdict.text.empty() && verdict.miss <= choice.verdict.miss)
    return;
  choice.verdict = verdict;
  choice.verdict.text +=
      " in " + runtime::printable(variable.at("name").string());
}

States::States(ArrayRef<Role> roles, const std::vector<JsonField> &variables) {
  llvm::StringMap<size_t> places;
  for (const JsonField &variable : variables) {
    std::string name = variable.at("name").string(),
                roleName = variable.at("role").string();
    auto role = llvm::find_if(roles, [&](const Role &role) {
      return train::stringifyRole(role.role) == roleName;
    });
    if (role == roles.end())
      throw variable.at("role").error("is no role of a state");
    int64_t elements = 1;
    std::vector<JsonField> shape = variable.at("shape").items();
    for (const JsonField &size : shape)
      if (llvm::MulOverflow<int64_t>(elements, size.size(), elements) ||
          elements > int64_t(1) << 40)
        throw size.error("the tensor is too large");
    auto [place, isNew] =
        places.try_emplace(roleName + " " + getKind(name), kinds.size());
    if (isNew) {
      kinds.push_back({&*role, name, shape.size() > 1, 0, {}, 0});
      for (const Format &format : role->formats)
        kinds.back().choices.push_back({&format, {}});
    }
    Kind &kind = kinds[place->second];
    kind.elements += elements;
    for (Choice &choice : llvm::drop_begin(kind.choices)) // f32
      addVerdict(choice, variable, role->limits, kind.isMatrix);
  }
}

double States::bytesPerParameter() const {
  StateBytes bytes;
  for (const Kind &kind : kinds)
    bytes.add(kind.role->role, kind.elements,
              kind.elements * kind.get().format->bytes);
  return bytes.perParameter();
}

void States::narrowMatrices() {
  for (Kind &kind : kinds)
    for (auto [i, choice] : llvm::enumerate(kind.choices))
      if (kind.isMatrix && kind.isBest(choice))
        kind.chosen = i; // the last one has the fewest bytes
}

bool States::narrow(bool matrices) {
  Kind *best = nullptr;
  size_t bestChoice = 0;
  double least = 0;
  for (Kind &kind : kinds)
    for (auto [i, choice] : llvm::enumerate(kind.choices)) {
      int64_t saved = kind.get().format->bytes - choice.format->bytes;
      if (kind.isMatrix != matrices || !kind.isBest(choice) || saved <= 0)
        continue;
      double loss = (choice.verdict.miss - kind.get().verdict.miss) /
                    static_cast<double>(saved);
      if (!best || loss < least)
        best = &kind, bestChoice = i, least = loss;
    }
  if (best)
    best->chosen = bestChoice;
  return best;
}

std::string States::getHolders() const {
  SmallVector<const Kind *> holders;
  for (const Kind &kind : kinds)
    if (kind.get().format->bytes > 1 && kind.choices.size() > 1)
      holders.push_back(&kind);
  llvm::stable_sort(holders, [](const Kind *a, const Kind *b) {
    auto excess = [](const Kind *kind) {
      return kind->elements * (kind->get().format->bytes - 1);
    };
    return excess(a) > excess(b);
  });
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::ListSeparator comma;
  for (const Kind *kind : ArrayRef(holders).take_front(3)) {
    // Of the narrower formats the one that misses by least.
    const Choice *next = nullptr;
    for (const Choice &choice : kind->choices)
      if (choice.format->bytes < kind->get().format->bytes &&
          (!next || choice.verdict.miss < next->verdict.miss))
        next = &choice;
    os << comma << runtime::printable(getKind(kind->example)) << " stays in "
       << kind->get().format->name << " (" << next->format->name << ": "
       << next->verdict.text << ")";
  }
  if (holders.size() > 3)
    os << ", and " << holders.size() - 3 << " more";
  return text;
}

void States::writeRule(const Role &role, const Format &format,
                       ArrayRef<const Kind *> kinds,
                       llvm::raw_ostream &os) const {
  os << "  - match: { role: " << train::stringifyRole(role.role);
  if (!kinds.empty()) {
    llvm::ListSeparator comma;
    os << ", variable: [";
    for (const Kind *kind : kinds)
      os << comma << quoteKind(kind->example);
    os << "]";
  }
  os << " }\n    optional: true\n    storage: " << format.storage
     << "\n    expansion: " << format.expansion
     << "\n    rounding: " << format.rounding << "\n";
}

/// Of each format the worst matrix.
void States::writeVerdicts(const Role &role, llvm::raw_ostream &os) const {
  for (auto [i, format] : llvm::enumerate(role.formats)) {
    const Verdict *worst = nullptr;
    size_t all = 0, chosen = 0;
    for (const Kind &kind : kinds) {
      if (kind.role != &role || !kind.isMatrix)
        continue;
      ++all;
      chosen += kind.chosen == i;
      const Verdict &verdict = kind.choices[i].verdict;
      if (!worst || verdict.miss > worst->miss)
        worst = &verdict;
    }
    if (!worst)
      return;
    os << "  #   " << format.name << ": "
       << (worst->text.empty() ? "as computed" : worst->text)
       << (chosen == all       ? " - chosen"
           : chosen > 0        ? " - chosen for some"
           : worst->isMissed() ? " - rejected"
                               : " - not needed")
       << "\n";
  }
}

void States::write(const Role &role, llvm::raw_ostream &os) const {
  os << "\n  # " << train::stringifyRole(role.role) << ": "
     << role.limits.text() << "; " << role.because << ".\n";
  writeVerdicts(role, os);
  // The format of most matrices, then what differs; vectors are f32 by default.
  SmallVector<int64_t> elements(role.formats.size(), 0);
  for (const Kind &kind : kinds)
    if (kind.role == &role && kind.isMatrix)
      elements[kind.chosen] += kind.elements;
  size_t common = llvm::max_element(elements) - elements.begin();
  auto writeKinds = [&](bool matrices, size_t usual) {
    for (auto [i, format] : llvm::enumerate(role.formats)) {
      SmallVector<const Kind *> differing;
      for (const Kind &kind : kinds)
        if (kind.role == &role && kind.isMatrix == matrices &&
            kind.chosen == i && i != usual)
          differing.push_back(&kind);
      if (!differing.empty())
        writeRule(role, format, differing, os);
    }
  };
  writeRule(role, role.formats[common], {}, os);
  writeKinds(/*matrices=*/true, common);
  os << "  - match: { role: " << train::stringifyRole(role.role)
     << ", rank: [0, 1] }\n    optional: true\n    storage: f32\n"
        "    expansion: none\n    rounding: nearest\n";
  writeKinds(/*matrices=*/false, /*usual=*/0);
}

double fp8c::writeStates(const JsonField &statistics, const StateBudget &budget,
                         llvm::raw_ostream &os) {
  std::vector<Role> roles = getRoles(budget.f32Sums);
  States states(roles, statistics.at("variables").items());
  if (budget.bytes == 0) {
    states.narrowMatrices();
  } else {
    // Gains and biases are few, and one element moves a whole row: they come
    // when matrices have nothing left to give.
    while (states.bytesPerParameter() > budget.bytes)
      if (!states.narrow(/*matrices=*/true) &&
          !states.narrow(/*matrices=*/false))
        throw statistics.error(
            "the statistics allow no recipe of " +
                runtime::numberText("%g", budget.bytes) +
                " bytes per parameter: the least is " +
                runtime::numberText(
                    "%.2f", std::ceil(100 * states.bytesPerParameter()) / 100),
            states.getHolders() + "; allow more bytes" +
                (budget.f32Sums ? ", or compile with --micro-batches 1: f32 "
                                  "sums of gradients take 4 of them"
                                : ""));
  }
  for (const Role &role : roles)
    states.write(role, os);
  return states.bytesPerParameter();
}
