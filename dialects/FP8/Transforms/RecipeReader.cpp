//===- RecipeReader.cpp - Recipes from YAML -------------------------------===//
//
// Every key has a reader; every mistake is reported where it stands.
//
//===----------------------------------------------------------------------===//

#include "FP8/Training/ModelParts.h"
#include "FP8/Transforms/Recipe.h"

#include "Train/IR/Train.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLParser.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::fp8;
namespace yaml = llvm::yaml;

static constexpr std::pair<llvm::StringLiteral, llvm::StringLiteral>
    kBuiltinRecipes[] = {
#include "FP8/Transforms/BuiltinRecipes.inc"
};

SmallVector<StringRef> fp8::getBuiltinRecipes() {
  SmallVector<StringRef> names;
  for (auto &[name, text] : kBuiltinRecipes)
    names.push_back(name);
  return names;
}

/// "; did you mean 'x'?" if one of `words` is close to `word`, else all of
/// them. Of MX formats, which some will look for, the reason why there are
/// none.
static std::string suggest(StringRef word, ArrayRef<StringRef> words) {
  if (word.starts_with_insensitive("mx") || word == "1x32")
    for (StringRef finest : {"fp8-block", "1x128"})
      if (llvm::is_contained(words, finest))
        return (": MX formats scale blocks of 32 by powers of two in hardware "
                "that GPUs have from compute capability 10.0 on, and fp8c has "
                "no target for; the nearest is '" +
                finest + "'")
            .str();
  auto distance = [&](StringRef other) { return word.edit_distance(other); };
  const StringRef *nearest =
      llvm::min_element(words, [&](StringRef a, StringRef b) {
        return distance(a) < distance(b);
      });
  if (distance(*nearest) <= std::max<size_t>(2, word.size() / 3))
    return ("; did you mean '" + *nearest + "'?").str();
  return "; expected " + llvm::join(words.drop_back(), ", ") +
         (words.size() > 1 ? " or " : "") + words.back().str();
}

namespace {

class Reader {
public:
  Reader(llvm::MemoryBufferRef text, StringRef fileName, MLIRContext *context)
      : text(text), fileName(StringAttr::get(context, fileName)),
        context(context) {}

  FailureOr<Recipe> read();

private:
  struct Key {
    StringRef name;
    std::function<void(yaml::Node *)> read;
  };

  // Errors
  FileLineColLoc locOf(SMLoc loc);
  FileLineColLoc locOf(yaml::Node *node) {
    return locOf(node->getSourceRange().Start);
  }
  InFlightDiagnostic error(Location loc) {
    failed = true;
    return emitError(loc);
  }
  InFlightDiagnostic error(yaml::Node *node) { return error(locOf(node)); }

  // Shapes of YAML
  void readMapping(yaml::Node *node, StringRef what, ArrayRef<Key> keys);
  std::optional<StringRef> scalar(yaml::Node *node, StringRef what);
  void readList(yaml::Node *node, function_ref<void(yaml::Node *)> readOne);

  // Values
  std::optional<StringRef> word(yaml::Node *node, StringRef what,
                                ArrayRef<StringRef> words);
  FloatType getFormat(StringRef word);
  void readFormat(yaml::Node *node, StringRef what, ArrayRef<StringRef> formats,
                  std::optional<Setting<FloatType>> &setting);
  void readStorage(yaml::Node *node, std::optional<Setting<Storage>> &setting);
  /// Sets whether the word is the second of the two.
  void readChoice(yaml::Node *node, StringRef what, ArrayRef<StringRef> words,
                  std::optional<Setting<bool>> &setting);
  void readInteger(yaml::Node *node, StringRef what, int64_t min, int64_t max,
                   std::optional<Setting<int64_t>> &setting);
  bool readBool(yaml::Node *node, StringRef what);
  void readGlobs(yaml::Node *node, StringRef what,
                 SmallVectorImpl<llvm::GlobPattern> &globs);
  void readWords(yaml::Node *node, StringRef what, ArrayRef<StringRef> valid,
                 SmallVectorImpl<StringRef> &words);
  void readLayers(yaml::Node *node, SmallVectorImpl<int64_t> &layers);
  void readRanks(yaml::Node *node, SmallVectorImpl<int64_t> &ranks);

  // Parts of a recipe
  SmallVector<Key> settingKeys(Settings &settings);
  void readMatch(yaml::Node *node, Match &match);
  void readRule(yaml::Node *node, Recipe &recipe);
  void check(const Rule &rule);
  void checkAgainst(const Rule &earlier, const Rule &rule);

  llvm::MemoryBufferRef text;
  StringAttr fileName;
  MLIRContext *context;
  llvm::SourceMgr sources;
  SMLoc lastPlace; ///< in the file
  bool failed = false;
  /// What the match that is being read consists of.
  std::string matchText;
};

} // namespace

//===----------------------------------------------------------------------===//
// Shapes of YAML
//===----------------------------------------------------------------------===//

FileLineColLoc Reader::locOf(SMLoc loc) {
  // Some nodes of damaged files have no place in them: that of the one before.
  if (sources.FindBufferContainingLoc(loc))
    lastPlace = loc;
  else if (!lastPlace.isValid())
    lastPlace = SMLoc::getFromPointer(
        sources.getMemoryBuffer(sources.getMainFileID())->getBufferStart());
  auto [line, column] = sources.getLineAndColumn(lastPlace);
  return FileLineColLoc::get(fileName, line, column);
}

void Reader::readMapping(yaml::Node *node, StringRef what, ArrayRef<Key> keys) {
  auto *mapping = dyn_cast_or_null<yaml::MappingNode>(node);
  if (!mapping) {
    if (node)
      error(node) << what << " must be a mapping of keys to values";
    return;
  }
  llvm::StringSet<> seen;
  for (yaml::KeyValueNode &entry : *mapping) {
    auto *keyNode = dyn_cast_or_null<yaml::ScalarNode>(entry.getKey());
    if (!keyNode) {
      if (!entry.getKey())
        return; // a syntax error, reported already
      error(entry.getKey()) << "a key of " << what << " must be a word";
      entry.skip();
      continue;
    }
    SmallString<32> storage;
    StringRef name = keyNode->getValue(storage);
    if (!seen.insert(name).second)
      error(keyNode) << "'" << name << "' is given twice";
    const Key *key =
        llvm::find_if(keys, [&](const Key &key) { return key.name == name; });
    if (key == keys.end()) {
      auto names =
          llvm::map_to_vector(keys, [](const Key &key) { return key.name; });
      error(keyNode) << "unknown key '" << name << "' of " << what
                     << suggest(name, names);
    } else if (entry.getValue()) {
      key->read(entry.getValue());
    }
    entry.skip();
  }
}

/// The text of a scalar; it lives as long as the context.
std::optional<StringRef> Reader::scalar(yaml::Node *node, StringRef what) {
  SmallString<64> storage;
  if (auto *plain = dyn_cast<yaml::ScalarNode>(node))
    return StringAttr::get(context, plain->getValue(storage)).getValue();
  if (auto *block = dyn_cast<yaml::BlockScalarNode>(node))
    return StringAttr::get(context, block->getValue().rtrim()).getValue();
  error(node) << "'" << what << "' must be a single value";
  return std::nullopt;
}

/// A list, or one entry that stands for a list of one.
void Reader::readList(yaml::Node *node,
                      function_ref<void(yaml::Node *)> readOne) {
  auto *list = dyn_cast<yaml::SequenceNode>(node);
  if (!list)
    return readOne(node);
  for (yaml::Node &entry : *list) {
    readOne(&entry);
    entry.skip();
  }
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

std::optional<StringRef> Reader::word(yaml::Node *node, StringRef what,
                                      ArrayRef<StringRef> words) {
  std::optional<StringRef> value = scalar(node, what);
  if (value && !llvm::is_contained(words, *value)) {
    error(node) << "'" << what << "' cannot be '" << *value << "'"
                << suggest(*value, words);
    return std::nullopt;
  }
  return value;
}

FloatType Reader::getFormat(StringRef word) {
  return llvm::StringSwitch<FloatType>(word)
      .Case("f32", Float32Type::get(context))
      .Case("bf16", BFloat16Type::get(context))
      .Cases({"f16", "f16-scaled"}, Float16Type::get(context))
      .Case("e4m3", Float8E4M3FNType::get(context))
      .Case("e5m2", Float8E5M2Type::get(context));
}

void Reader::readStorage(yaml::Node *node,
                         std::optional<Setting<Storage>> &setting) {
  std::optional<StringRef> value = word(
      node, "storage", {"f32", "bf16", "f16", "f16-scaled", "e4m3", "e5m2"});
  if (value)
    setting = {
        {getFormat(*value), *value == "f16-scaled" || value->starts_with("e")},
        locOf(node)};
}

void Reader::readChoice(yaml::Node *node, StringRef what,
                        ArrayRef<StringRef> words,
                        std::optional<Setting<bool>> &setting) {
  if (std::optional<StringRef> value = word(node, what, words))
    setting = {*value == words[1], locOf(node)};
}

void Reader::readFormat(yaml::Node *node, StringRef what,
                        ArrayRef<StringRef> formats,
                        std::optional<Setting<FloatType>> &setting) {
  std::optional<StringRef> value = word(node, what, formats);
  if (!value)
    return;
  setting = {getFormat(*value), locOf(node)};
}

void Reader::readInteger(yaml::Node *node, StringRef what, int64_t min,
                         int64_t max,
                         std::optional<Setting<int64_t>> &setting) {
  std::optional<StringRef> value = scalar(node, what);
  int64_t number;
  if (!value)
    return;
  if (value->getAsInteger(10, number) || number < min || number > max)
    error(node) << "'" << what << "' must be a number from " << min << " to "
                << max << ", but is '" << *value << "'";
  else
    setting = {number, locOf(node)};
}

bool Reader::readBool(yaml::Node *node, StringRef what) {
  std::optional<StringRef> value = word(node, what, {"true", "false"});
  return value && *value == "true";
}

void Reader::readGlobs(yaml::Node *node, StringRef what,
                       SmallVectorImpl<llvm::GlobPattern> &globs) {
  readList(node, [&](yaml::Node *entry) {
    std::optional<StringRef> value = scalar(entry, what);
    if (!value)
      return;
    matchText += (what + "=" + *value + ";").str();
    auto glob = llvm::GlobPattern::create(*value, /*MaxSubPatterns=*/64);
    if (glob)
      globs.push_back(*glob);
    else
      error(entry) << "'" << *value
                   << "' is no pattern: " << llvm::toString(glob.takeError());
  });
}

void Reader::readWords(yaml::Node *node, StringRef what,
                       ArrayRef<StringRef> valid,
                       SmallVectorImpl<StringRef> &words) {
  readList(node, [&](yaml::Node *entry) {
    if (std::optional<StringRef> value = word(entry, what, valid)) {
      words.push_back(*value);
      matchText += (what + "=" + *value + ";").str();
    }
  });
}

void Reader::readLayers(yaml::Node *node, SmallVectorImpl<int64_t> &layers) {
  readList(node, [&](yaml::Node *entry) {
    std::optional<StringRef> value = scalar(entry, "layer");
    int64_t number;
    if (!value)
      return;
    matchText += ("layer=" + *value + ";").str();
    if (*value == "first")
      layers.push_back(kFirstLayer);
    else if (*value == "last")
      layers.push_back(kLastLayer);
    else if (!value->getAsInteger(10, number) && number >= 0)
      layers.push_back(number);
    else
      error(entry) << "'layer' cannot be '" << *value
                   << "'; expected a number, first or last";
  });
}

void Reader::readRanks(yaml::Node *node, SmallVectorImpl<int64_t> &ranks) {
  readList(node, [&](yaml::Node *entry) {
    std::optional<Setting<int64_t>> rank;
    readInteger(entry, "rank", 0, 8, rank);
    if (!rank)
      return;
    ranks.push_back(rank->value);
    matchText += "rank=" + std::to_string(rank->value) + ";";
  });
}

//===----------------------------------------------------------------------===//
// Parts of a recipe
//===----------------------------------------------------------------------===//

SmallVector<Reader::Key> Reader::settingKeys(Settings &settings) {
  static constexpr StringRef wide[] = {"f32", "bf16", "f16"};
  static constexpr StringRef all[] = {"f32", "bf16", "f16", "e4m3", "e5m2"};
  static constexpr StringRef wires[] = {"f32", "bf16", "e4m3", "e5m2"};
  auto flag = [this](StringRef what, std::optional<Setting<bool>> &setting) {
    return [this, what, &setting](yaml::Node *node) {
      setting = {readBool(node, what), locOf(node)};
    };
  };
  return {
      {"format",
       [&](auto *node) { readFormat(node, "format", all, settings.format); }},
      {"scaling",
       [&](auto *node) {
         if (auto value =
                 word(node, "scaling", {"delayed", "current", "bounded"}))
           settings.scaling = {*symbolizeScaling(*value), locOf(node)};
       }},
      {"granularity",
       [&](auto *node) {
         if (auto value = word(node, "granularity",
                               {"tensor", "row", "1x128", "128x128"}))
           settings.granularity = {*symbolizeGranularity(*value), locOf(node)};
       }},
      {"window",
       [&](auto *node) {
         readInteger(node, "window", 1, 1024, settings.window);
       }},
      {"margin",
       [&](auto *node) { readInteger(node, "margin", 0, 8, settings.margin); }},
      {"pow2", flag("pow2", settings.pow2)},
      {"fast_accum", flag("fast_accum", settings.fastAccum)},
      {"merge",
       [&](auto *node) {
         static constexpr StringRef words[] = {"none", "forward", "all"};
         if (auto value = word(node, "merge", words))
           settings.merge = {
               static_cast<Merge>(llvm::find(words, *value) - words),
               locOf(node)};
       }},
      {"result",
       [&](auto *node) { readFormat(node, "result", wide, settings.result); }},
      {"storage", [&](auto *node) { readStorage(node, settings.storage); }},
      {"expansion",
       [&](auto *node) {
         readChoice(node, "expansion", {"none", "sqrt"}, settings.squareRoot);
       }},
      {"rounding",
       [&](auto *node) {
         readChoice(node, "rounding", {"nearest", "stochastic"},
                    settings.stochastic);
       }},
      {"wire",
       [&](auto *node) { readFormat(node, "wire", wires, settings.wire); }},
      {"reduce",
       [&](auto *node) {
         readChoice(node, "reduce", {"exact", "native"}, settings.nativeSum);
       }},
  };
}

void Reader::readMatch(yaml::Node *node, Match &match) {
  static constexpr StringRef roles[] = {kParameter, kGradient, kMoment1,
                                        kMoment2};
  readMapping(
      node, "a match",
      {{"op", [&](auto *node) { readGlobs(node, "op", match.op); }},
       {"name", [&](auto *node) { readGlobs(node, "name", match.name); }},
       {"layer", [&](auto *node) { readLayers(node, match.layer); }},
       {"gemm",
        [&](auto *node) {
          readWords(node, "gemm", {"fwd", "dgrad", "wgrad"}, match.gemm);
        }},
       {"operand",
        [&](auto *node) {
          readWords(node, "operand",
                    {kLhs, kRhs, kActivation, kWeight, kGradient},
                    match.operand);
        }},
       {"part",
        [&](auto *node) { readWords(node, "part", {kLMHead}, match.part); }},
       {"variable",
        [&](auto *node) { readGlobs(node, "variable", match.variable); }},
       {"role",
        [&](auto *node) { readWords(node, "role", roles, match.role); }},
       {"rank", [&](auto *node) { readRanks(node, match.rank); }},
       {"used_by",
        [&](auto *node) { readGlobs(node, "used_by", match.usedBy); }}});
}

/// Settings that the things a rule matches do not have.
void Reader::check(const Rule &rule) {
  const Match &match = rule.match;
  const Settings &settings = rule.settings;
  if (match.ofVariables() && match.ofOps())
    error(rule.loc) << "a rule matches ops (op, name, gemm, operand) or "
                       "variables (variable, role, rank, used_by), "
                       "not both";
  else if (match.ofOps() && settings.storage)
    error(settings.storage->loc)
        << "'storage' is a setting of variables, but the rule matches ops";
  else if (match.ofOps() && settings.hasVariableSettings())
    error(rule.loc) << "'expansion', 'rounding', 'wire' and 'reduce' are "
                       "settings of variables, but the rule matches ops";
  else if (match.ofVariables() &&
           (settings.hasOperandSettings() || settings.hasOpSettings()))
    error(rule.loc) << "variables have only the settings 'storage', "
                       "'expansion', 'rounding', 'wire' and 'reduce'";
  else if (!settings.hasOperandSettings() && !settings.hasOpSettings() &&
           !settings.hasVariableSettings())
    error(rule.loc) << "the rule sets nothing";
}

/// A later rule overrides an earlier one where it is more specific. Two that
/// match the same and say different things are a mistake.
void Reader::checkAgainst(const Rule &earlier, const Rule &rule) {
  auto compare = [&](StringRef key, const auto &a, const auto &b) {
    if (a && b && !(a->value == b->value))
      error(b->loc) << "contradicts line " << a->loc.getLine()
                    << ", which sets '" << key << "' otherwise for the same "
                    << "match";
  };
  forEachSetting(earlier.settings, rule.settings, compare);
}

void Reader::readRule(yaml::Node *node, Recipe &recipe) {
  Rule rule{locOf(node), {}, {}, {}};
  bool wasFailed = std::exchange(failed, false);
  SmallVector<Key> keys = settingKeys(rule.settings);
  keys.push_back({"match", [&](auto *node) { readMatch(node, rule.match); }});
  matchText.clear();
  keys.push_back({"optional", [&](auto *node) {
                    rule.optional = readBool(node, "optional");
                  }});
  readMapping(node, "a rule", keys);
  rule.matchText = matchText;
  if (!failed) {
    check(rule);
    for (const Rule &earlier : recipe.rules)
      if (earlier.matchText == rule.matchText)
        checkAgainst(earlier, rule);
  }
  failed |= wasFailed;
  recipe.rules.push_back(std::move(rule));
}

/// What holds where a recipe is silent.
static void complete(Settings &settings, FileLineColLoc loc) {
  auto fill = [&](auto &setting, auto value) {
    if (!setting)
      setting = {value, loc};
  };
  FloatType f32 = Float32Type::get(loc.getContext());
  fill(settings.format, f32);
  fill(settings.result, f32);
  fill(settings.storage, Storage{f32});
  fill(settings.squareRoot, false);
  fill(settings.stochastic, false);
  fill(settings.scaling, Scaling::Current);
  fill(settings.granularity, Granularity::Tensor);
  fill(settings.window, 16);
  fill(settings.margin, 0);
  fill(settings.pow2, true);
  fill(settings.fastAccum, false);
  fill(settings.merge, Merge::All);
}

FailureOr<Recipe> Reader::read() {
  // What the YAML parser itself finds becomes an MLIR diagnostic like the rest.
  sources.setDiagHandler(
      [](const llvm::SMDiagnostic &diagnostic, void *self) {
        auto *reader = static_cast<Reader *>(self);
        reader->error(FileLineColLoc::get(reader->fileName,
                                          diagnostic.getLineNo(),
                                          diagnostic.getColumnNo() + 1))
            << diagnostic.getMessage();
      },
      this);
  Recipe recipe;
  yaml::Stream stream(text, sources);
  yaml::document_iterator document = stream.begin();
  yaml::Node *root = document == stream.end() ? nullptr : document->getRoot();
  if (!root || isa<yaml::NullNode>(root)) {
    if (!failed)
      error(FileLineColLoc::get(fileName, 1, 1)) << "the recipe is empty";
    return failure();
  }
  auto text = [&](StringRef what, std::string &into) {
    return [this, what, &into](yaml::Node *node) {
      if (auto value = scalar(node, what))
        into = *value;
    };
  };
  auto readRules = [&](yaml::Node *node) {
    auto *list = dyn_cast<yaml::SequenceNode>(node);
    if (!list) {
      error(node) << "'rules' must be a list";
      return;
    }
    for (yaml::Node &entry : *list) {
      readRule(&entry, recipe);
      entry.skip();
    }
  };
  FileLineColLoc start = locOf(root);
  readMapping(root, "a recipe",
              {{"name", text("name", recipe.name)},
               {"description", text("description", recipe.description)},
               {"defaults",
                [&](auto *node) {
                  readMapping(node, "the defaults",
                              settingKeys(recipe.defaults));
                }},
               {"rules", readRules}});
  if (!failed && !stream.failed() && recipe.name.empty())
    error(start) << "the recipe has no 'name'";
  if (failed || stream.failed())
    return failure();
  complete(recipe.defaults, start);
  return recipe;
}

FailureOr<Recipe> fp8::readRecipe(StringRef nameOrPath, Location loc) {
  MLIRContext *context = loc.getContext();
  if (!nameOrPath.contains('/') && !nameOrPath.ends_with(".yaml")) {
    for (auto &[name, text] : kBuiltinRecipes)
      if (name == nameOrPath)
        return Reader({text, name}, (name + ".yaml").str(), context).read();
    return emitError(loc) << "no recipe is called '" << nameOrPath << "'"
                          << suggest(nameOrPath, getBuiltinRecipes())
                          << " (a path contains a '/' or ends in .yaml)";
  }
  auto file = llvm::MemoryBuffer::getFile(nameOrPath);
  if (!file)
    return emitError(loc) << "cannot read the recipe '" << nameOrPath
                          << "': " << file.getError().message();
  return Reader(**file, nameOrPath, context).read();
}
