//===- Watch.cpp - FP8 statistics during training -------------------------===//

#include "core/Watch.h"

#include "core/Error.h"
#include "core/Escape.h"
#include "core/Metrics.h"
#include "core/ParallelFor.h"
#include "core/Text.h"
#include "core/Trainer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <regex>

namespace fp8c::runtime {
namespace {

struct CodeShares {
  double zero = 0, saturated = 0;
};

template <class Code>
CodeShares count(const std::vector<unsigned char> &bytes, Code max) {
  constexpr Code sign = Code(1) << (8 * sizeof(Code) - 1);
  uint64_t zeros = 0, saturated = 0;
  size_t n = bytes.size() / sizeof(Code);
  for (size_t i = 0; i < n; ++i) {
    Code code;
    std::memcpy(&code, bytes.data() + i * sizeof(Code), sizeof(Code));
    code &= Code(~sign);
    zeros += code == 0;
    saturated += code == max;
  }
  return {double(zeros) / double(n), double(saturated) / double(n)};
}

CodeShares sharesOf(DataType type, const std::vector<unsigned char> &bytes) {
  switch (type) {
  case DataType::F8E4M3FN:
    return count<uint8_t>(bytes, 0x7e);
  case DataType::F8E5M2:
    return count<uint8_t>(bytes, 0x7b);
  case DataType::F16:
    return count<uint16_t>(bytes, 0x7bff);
  default:
    return {};
  }
}

std::string withoutSuffix(const std::string &name, const std::string &suffix) {
  bool ends = name.size() > suffix.size() &&
              !name.compare(name.size() - suffix.size(), suffix.size(), suffix);
  return ends ? name.substr(0, name.size() - suffix.size()) : "";
}

} // namespace

/// The output of `observe` that a site quantises.
int64_t Watch::findOutput(const std::string &site) const {
  const auto &outputs = instance.program().signature("observe").outputs;
  for (size_t i = 0; i < outputs.size(); ++i)
    for (const OperandUse &use : outputs[i].uses)
      if (use.op + "." + use.operand == site)
        return static_cast<int64_t>(i);
  return -1;
}

Watch::Watch(Instance &theInstance, WatchOptions theOptions)
    : instance(theInstance), options(std::move(theOptions)) {
  if (options.every <= 0)
    return;
  std::regex pattern;
  try {
    pattern = std::regex(options.pattern);
  } catch (const std::regex_error &error) {
    throw Error("--watch \"" + options.pattern +
                    "\" is no regular expression: " + error.what(),
                "an example: --watch 'h\\.[0-2]/.*weight'");
  }
  std::string example;
  auto add = [&](Tensor tensor) {
    example = example.empty() ? tensor.name : example;
    if (!std::regex_search(tensor.name, pattern))
      return;
    if (tensor.output >= 0 && !operands)
      operands.emplace(instance, "observe");
    tensors.push_back(std::move(tensor));
  };
  // Those that share a scale show one of them.
  std::map<std::string, const Variable *> scaled;
  for (const Variable &variable : instance.manifest().variables)
    if (!variable.scale.empty())
      scaled.emplace(variable.scale, &variable);
  for (const Variable &variable : instance.manifest().variables) {
    if (!withoutSuffix(variable.name, ".clamps").empty())
      clamps.push_back(&variable);
    auto found = scaled.find(variable.name);
    if (found == scaled.end() && !variable.site)
      continue;
    bool ofTiles = variable.role != Role::Scale;
    Tensor tensor = {{}, nullptr, ofTiles ? nullptr : &variable, -1, {}};
    if (found != scaled.end()) {
      tensor.codes = found->second;
      tensor.name = tensor.codes->name;
    } else {
      tensor.name = withoutSuffix(variable.name, ".scale");
    }
    if (variable.site && instance.program().has("observe"))
      tensor.output = findOutput(tensor.name);
    if (variable.site)
      tensor.how.format = variable.site->format;
    add(tensor);
  }
  if (instance.program().has("observe"))
    addOperands(add);
  if (tensors.empty())
    throw Error(example.empty()
                    ? "the program keeps nothing in FP8 that could be watched"
                    : "--watch \"" + options.pattern + "\" matches no tensor",
                example.empty() ? "compile it with an fp8 recipe"
                                : "one that can be watched is " + example);
}

/// The operands that are scaled currently, by the name of the first product
/// that reads them so: "h.0/mlp/fc.x". What another product scales in another
/// way, along another dimension, is "h.0/mlp/fc.x.wgrad".
void Watch::addOperands(const std::function<void(Tensor)> &add) const {
  const auto &outputs = instance.program().signature("observe").outputs;
  for (size_t i = 0; i < outputs.size(); ++i) {
    std::vector<Quantisation> seen;
    std::set<std::string> names;
    for (const OperandUse &use : outputs[i].uses) {
      if (!use.quantisation ||
          std::find(seen.begin(), seen.end(), *use.quantisation) != seen.end())
        continue;
      seen.push_back(*use.quantisation);
      std::string name = use.op + "." + use.operand;
      if (!names.insert(name).second)
        name += "." + use.gemm;
      add({name, nullptr, nullptr, static_cast<int64_t>(i), *use.quantisation});
    }
  }
}

std::string Watch::open(const std::string &path, int64_t lastStep) {
  if (options.every <= 0)
    return "";
  std::string note = keepLinesUpTo(path, lastStep, /*everyStep=*/false);
  file.emplace(path, OutputFile::Mode::Append);
  return note;
}

/// What the next micro-batch's operands become with their scales; of tensors
/// that are none of them, nothing.
std::vector<FormatStats>
Watch::quantiseOperands(const std::vector<std::vector<float>> &scales) {
  std::vector<FormatStats> stats(tensors.size());
  parallelFor(tensors.size(), 1, [&](uint64_t first, uint64_t last) {
    for (uint64_t i = first; i < last; ++i) {
      if (tensors[i].output < 0)
        continue;
      const HostTensor &values = operands->outputs()[tensors[i].output];
      stats[i] = quantisedStats(tensors[i].how, values.as<float>(),
                                values.spec().shape,
                                scales[i].empty() ? 0 : scales[i][0]);
    }
  });
  return stats;
}

void Watch::observeSite(const Tensor &tensor, const std::vector<float> &words,
                        int64_t microBatches, OrderedJson &entry,
                        const Check &check) {
  const auto &site = *tensor.scale->site;
  ScaleState state;
  std::memcpy(&state, words.data(), sizeof(state));
  double saturated = state.last.saturated / (static_cast<double>(site.values) *
                                             static_cast<double>(microBatches));
  entry["amax"] = from_bits(state.last.amax_bits);
  entry["saturated"] = saturated;
  entry["nonfinite"] = state.last.nonfinite;
  check(saturated, options.saturation, "saturated");
}

void Watch::observeCurrent(const FormatStats &stats, OrderedJson &entry,
                           const Check &check) {
  entry["amax"] = stats.amax;
  entry["saturated"] = stats.overflow();
  entry["nonfinite"] = stats.nonfinite;
  check(stats.overflow(), options.saturation, "saturated");
}

void Watch::observeCodes(const Tensor &tensor, OrderedJson &entry,
                         const Check &check) {
  std::vector<unsigned char> bytes(tensor.codes->bytes());
  instance.read(*tensor.codes, bytes.data());
  CodeShares shares = sharesOf(tensor.codes->type, bytes);
  entry["zero"] = shares.zero;
  entry["saturated"] = shares.saturated;
  check(shares.zero, options.underflow, "0");
  check(shares.saturated, options.saturation, "the largest code");
}

void Watch::observe(int64_t step, const Trainer &trainer,
                    const std::function<void(std::string)> &warn) {
  if (options.every <= 0 || step % options.every != 0)
    return;
  if (int64_t unseen = instance.manifest().currentUses;
      unseen && !instance.program().has("observe") && warned.insert("").second)
    warn(concat("of the operands of products ", unseen,
                " have scales of their own amaxes, which are not kept: to "
                "watch them, compile with --expose-operands"));
  std::vector<std::vector<float>> scales(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i)
    if (const Variable *scale = tensors[i].scale) {
      scales[i].resize(scale->elements());
      instance.read(*scale, scales[i].data());
    }
  std::vector<FormatStats> quantised(tensors.size());
  if (operands) {
    trainer.fill(*operands, step + 1, 0);
    operands->run();
    quantised = quantiseOperands(scales);
  }
  OrderedJson entries = OrderedJson::object();
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor &tensor = tensors[i];
    OrderedJson &entry = entries[tensor.name];
    Check check = [&](double share, double most, const char *what) {
      if (share > most && warned.insert(tensor.name + what).second)
        warn(concat("step ", step, ": ", numberText("%.3g", 100 * share),
                    " % of ", printable(tensor.name), " are ", what,
                    " (more than ", numberText("%.3g", 100 * most), " %)"));
    };
    if (tensor.scale)
      entry["scale"] = scales[i][0];
    if (tensor.codes)
      observeCodes(tensor, entry, check);
    else if (tensor.scale)
      observeSite(tensor, scales[i], trainer.microBatches(), entry, check);
    else
      observeCurrent(quantised[i], entry, check);
    if (tensor.output >= 0) {
      entry["underflow"] = quantised[i].underflow();
      check(quantised[i].underflow(), options.underflow,
            "too small for its scale");
    }
  }
  uint64_t limited = 0;
  for (const Variable *variable : clamps) {
    Stats stats;
    instance.read(*variable, &stats);
    limited += stats.saturated;
  }
  OrderedJson line = {
      {"step", step}, {"limited_updates", limited}, {"tensors", entries}};
  std::string text = jsonText(line);
  text.pop_back(); // the brace
  file->write(withChecksum(text) + "}\n");
  file->flush();
}

} // namespace fp8c::runtime
