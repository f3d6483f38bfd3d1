//===- Watch.cpp - FP8 statistics during training -------------------------===//

#include "core/Watch.h"

#include "core/Error.h"
#include "core/FormatStats.h"
#include "core/Metrics.h"
#include "core/Text.h"
#include "core/Trainer.h"

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
  for (const Variable &variable : instance.manifest().variables) {
    std::string name = withoutSuffix(variable.name, ".scale_inv");
    bool ofTiles = !name.empty();
    if (!ofTiles && variable.role != Role::Scale)
      continue;
    if (!ofTiles)
      name = withoutSuffix(variable.name, ".scale");
    bool matches = std::regex_search(name, pattern);
    if (!withoutSuffix(variable.name, ".clamps").empty())
      clamps.push_back(&variable);
    if (name.empty())
      continue;
    example = example.empty() ? name : example;
    if (!matches)
      continue;
    tensors.push_back({name, instance.manifest().findVariable(name),
                       ofTiles ? nullptr : &variable});
    if (variable.site && instance.program().has("observe"))
      tensors.back().output = findOutput(name);
    if (tensors.back().output >= 0 && !operands)
      operands.emplace(instance, "observe");
  }
  if (tensors.empty())
    throw Error(example.empty()
                    ? "the program keeps nothing in FP8 that could be watched"
                    : "--watch \"" + options.pattern + "\" matches no tensor",
                example.empty() ? "compile it with an fp8 recipe"
                                : "one that can be watched is " + example);
}

std::string Watch::open(const std::string &path, int64_t lastStep) {
  if (options.every <= 0)
    return "";
  std::string note = keepLinesUpTo(path, lastStep, /*everyStep=*/false);
  file.emplace(path, OutputFile::Mode::Append);
  return note;
}

void Watch::observeSite(const Tensor &tensor, const ScaleState &state,
                        int64_t microBatches, OrderedJson &entry,
                        const Check &check) {
  const auto &site = *tensor.scale->site;
  double saturated = state.last.saturated / (static_cast<double>(site.values) *
                                             static_cast<double>(microBatches));
  entry["amax"] = from_bits(state.last.amax_bits);
  entry["saturated"] = saturated;
  entry["nonfinite"] = state.last.nonfinite;
  check(saturated, options.saturation, "saturated");
  if (tensor.output < 0)
    return;
  const HostTensor &values = operands->outputs()[tensor.output];
  double underflow = underflowAt(site.format, values.as<float>(),
                                 values.spec().elements(), state.scale);
  entry["underflow"] = underflow;
  check(underflow, options.underflow, "too small for its scale");
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
  if (operands) {
    trainer.fill(*operands, step + 1, 0);
    operands->run();
  }
  OrderedJson entries = OrderedJson::object();
  for (const Tensor &tensor : tensors) {
    OrderedJson &entry = entries[tensor.name];
    Check check = [&](double share, double most, const char *what) {
      if (share > most && warned.insert(tensor.name + what).second)
        warn(concat("step ", step, ": ", numberText("%.3g", 100 * share),
                    " % of ", tensor.name, " are ", what, " (more than ",
                    numberText("%.3g", 100 * most), " %)"));
    };
    if (tensor.scale) {
      std::vector<float> scale(tensor.scale->elements());
      instance.read(*tensor.scale, scale.data());
      entry["scale"] = scale[0];
      if (tensor.scale->site) {
        ScaleState state;
        std::memcpy(&state, scale.data(), sizeof(state));
        observeSite(tensor, state, trainer.microBatches(), entry, check);
        continue;
      }
    }
    observeCodes(tensor, entry, check);
  }
  uint64_t limited = 0;
  for (const Variable *variable : clamps) {
    Stats stats;
    instance.read(*variable, &stats);
    limited += stats.saturated;
  }
  OrderedJson line = {
      {"step", step}, {"limited_updates", limited}, {"tensors", entries}};
  std::string text = line.dump();
  text.pop_back(); // the brace
  file->write(withChecksum(text) + "}\n");
  file->flush();
}

} // namespace fp8c::runtime
