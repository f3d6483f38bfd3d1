//===- TrainOptions.cpp - Everything about a run that can be chosen -------===//

#include "core/TrainOptions.h"

#include "core/Instance.h"

#include <set>

namespace fp8c::runtime {
namespace {

/// Calls visit(key, member) for every option: the one list of them.
template <class Options, class Visitor>
void visitOptions(Options &options, Visitor visit) {
  visit("steps", options.steps);
  visit("lr", options.lr);
  visit("min_lr", options.minLr);
  visit("warmup", options.warmup);
  visit("schedule", options.schedule);
  visit("decay_steps", options.decaySteps);
  visit("beta1", options.beta1);
  visit("beta2", options.beta2);
  visit("eps", options.eps);
  visit("weight_decay", options.weightDecay);
  visit("clip", options.clip);
  visit("accumulate", options.accumulate);
  visit("seed", options.seed);
  visit("eval_every", options.evalEvery);
  visit("eval_batches", options.evalBatches);
  visit("checkpoint_every", options.checkpointEvery);
  visit("keep", options.keep);
  visit("log_every", options.logEvery);
  visit("watch_every", options.watch.every);
  visit("watch", options.watch.pattern);
  visit("watch_underflow", options.watch.underflow);
  visit("watch_saturation", options.watch.saturation);
}

void load(const JsonField &field, int64_t &value) { value = field.integer(); }
void load(const JsonField &field, uint64_t &value) { value = field.size(); }
void load(const JsonField &field, double &value) { value = field.number(); }
void load(const JsonField &field, std::string &value) {
  value = field.string();
}

void require(bool condition, const std::string &what) {
  if (!condition)
    throw Error(what, "see: fp8c-run train --help");
}

} // namespace

OrderedJson TrainOptions::toJson() const {
  OrderedJson json;
  visitOptions(*this,
               [&](const char *key, const auto &value) { json[key] = value; });
  if (scheduleSteps)
    json["schedule_steps"] = scheduleSteps;
  return json;
}

TrainOptions TrainOptions::fromJson(const JsonField &field) {
  TrainOptions options;
  visitOptions(options, [&](const char *key, auto &value) {
    load(field.at(key), value);
  });
  options.scheduleSteps = field.integer("schedule_steps", 0);
  return options;
}

void TrainOptions::check() const {
  require(steps > 0, "--steps must be at least 1");
  require(lr >= 0, "--lr cannot be negative");
  require(minLr >= 0, "--min-lr cannot be negative");
  require(warmup >= 0, "--warmup cannot be negative");
  require(decaySteps >= 0, "--decay-steps cannot be negative");
  require(beta1 >= 0 && beta1 < 1, "--beta1 must be in [0, 1)");
  require(beta2 >= 0 && beta2 < 1, "--beta2 must be in [0, 1)");
  require(eps >= 0, "--eps cannot be negative");
  require(weightDecay >= 0, "--weight-decay cannot be negative");
  require(clip >= 0, "--clip cannot be negative");
  require(accumulate > 0, "--accumulate must be at least 1");
  require(evalEvery >= 0 && evalBatches >= 0 && checkpointEvery >= -1 &&
              keep >= 0 && logEvery >= 0 && watch.every >= 0,
          "intervals and counts cannot be negative");
  require(scheduleFromName(schedule) != Schedule::Kind::WSD || decaySteps > 0,
          "--decay-steps of schedule wsd must be at least 1: constant has "
          "none");
}

Schedule TrainOptions::scheduleOf() const {
  Schedule result;
  result.kind = scheduleFromName(schedule);
  result.lr = lr;
  result.minLr = minLr;
  result.steps = scheduleSteps ? scheduleSteps : steps;
  result.warmup = warmup;
  result.decaySteps = decaySteps;
  return result;
}

void TrainOptions::apply(Instance &instance) const {
  for (const std::string &name : instance.manifest().hyper) {
    static const std::set<std::string> known = {
        "lr",           "step",      "beta1",      "beta2", "eps",
        "weight_decay", "clip_norm", "grad_scale", "seed",  "micro_batch"};
    if (!known.count(name))
      throw Error("the program has a hyperparameter \"" + name +
                      "\" that this runtime does not know",
                  "use the fp8c-run of the fp8c that compiled it");
  }
  instance.setHyper("beta1", static_cast<float>(beta1));
  instance.setHyper("beta2", static_cast<float>(beta2));
  instance.setHyper("eps", static_cast<float>(eps));
  instance.setHyper("weight_decay", static_cast<float>(weightDecay));
  instance.setHyper("clip_norm", static_cast<float>(clip));
  instance.setHyper("grad_scale", 1.0f / static_cast<float>(accumulate));
  // A float holds integers below 2^24.
  instance.setHyper("seed", static_cast<float>(seed & 0xffffff));
}

} // namespace fp8c::runtime
