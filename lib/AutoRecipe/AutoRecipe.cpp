//===- AutoRecipe.cpp - Formats chosen by measurement ---------------------===//

#include "AutoRecipe/AutoRecipe.h"

#include "AutoRecipe/AutoCriteria.h"
#include "AutoRecipe/AutoProducts.h"
#include "AutoRecipe/AutoStates.h"
#include "Train/IR/Train.h"
#include "core/Escape.h"
#include "core/Json.h"
#include "core/OutputFile.h"
#include "core/Text.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Format.h"

using namespace mlir;
using namespace fp8c;
using runtime::JsonField;

/// Of the file that fp8c-run profile writes.
static constexpr int64_t kStatisticsFormat = 3;

/// The statistics must be of this model: every parameter by name and shape.
static void checkModel(ModuleOp module, StringRef path,
                       const std::vector<JsonField> &variables) {
  auto fail = [&](const std::string &what) {
    throw runtime::Error::inFile(
        path.str(), "these are statistics of another model: " + what,
        "measure this model: fp8c-run profile");
  };
  llvm::StringMap<std::vector<int64_t>> known;
  for (const JsonField &variable : variables) {
    if (variable.at("role").string() != "parameter")
      continue;
    std::vector<int64_t> &shape = known[variable.at("name").string()];
    for (const JsonField &size : variable.at("shape").items())
      shape.push_back(size.integer());
  }
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
      fail("they have no parameter '" + runtime::printable(name) +
           "'; the nearest is '" + runtime::printable(nearest) + "'");
    }
    ArrayRef<int64_t> shape = cast<ShapedType>(variable.getType()).getShape();
    if (ArrayRef<int64_t>(it->second) != shape)
      fail("their '" + runtime::printable(name) + "' has shape " +
           runtime::shapeText(it->second) + ", the model's " +
           runtime::shapeText(shape.vec()));
  }
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

void fp8c::writeAutoRecipe(ModuleOp module, StringRef stats,
                           const StateBudget &budget, StringRef output) {
  runtime::Json document = runtime::readJson(stats.str());
  JsonField root(document, stats.str());
  if (root.at("format").integer() != kStatisticsFormat)
    throw root.at("format").error(
        "is not " + std::to_string(kStatisticsFormat),
        "measure again with the fp8c-run of this installation");
  checkModel(module, stats, root.at("variables").items());
  std::string products, states, text;
  llvm::raw_string_ostream productsOS(products), statesOS(states), os(text);
  writeProducts(root, productsOS);
  double bytes = writeStates(root, budget, statesOS);
  os << "# Chosen by measurement: " << runtime::printable(stats) << ", after "
     << root.at("steps").integer()
     << " steps. Read it, edit it, give it to --recipe.\n"
     << llvm::format("# State bytes per parameter, as fp8c inspect tells "
                     "them: %.2f",
                     bytes)
     << (budget.f32Sums ? ", with f32 sums of micro-batches" : "")
     << ".\nname: auto\ndescription: "
     << (budget.bytes == 0 ? "The fewest bytes that the statistics allow\n\n"
                           : "The most accurate formats within a budget\n\n")
     << kDefaults << products << states;
  runtime::writeFile(output.str(), text);
}
