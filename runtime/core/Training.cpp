//===- Training.cpp - A training from its first step to its last ----------===//

#include "core/Training.h"

#include "core/Escape.h"
#include "core/Initialize.h"
#include "core/Interrupt.h"
#include "core/Profile.h"
#include "core/Replicas.h"
#include "core/Text.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <set>

namespace fp8c::runtime {
namespace {

/// A model whose gradients have not been finite for so long will not recover.
constexpr int64_t maxSkippedInARow = 50;

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A run is continued with the paths that its configuration holds.
void checkPath(const std::string &path) {
  if (!isUtf8(path))
    throw Error::inFile(path,
                        "the path is not UTF-8, so that config.json "
                        "could not hold it",
                        "rename the file or the folder");
}

/// What cannot be changed on resume must be as it was.
void checkOptions(const TrainOptions &options, const SavedState &state,
                  const ResumeChanges &changes, const std::string &run) {
  std::set<std::string> changeable = {"steps", "checkpoint_every", "keep",
                                      "log_every", "schedule_steps"};
  if (!changes.program.empty())
    changeable.insert("accumulate");
  const Json now = Json::parse(options.toJson().dump());
  for (const auto &[key, saved] : state.options.items())
    if (!changeable.count(key) && now.value(key, saved) != saved)
      throw Error::inFile(
          run,
          concat("config.json says ", key, " ", now[key].dump(),
                 ", but the checkpoint of step ", state.step, " was made with ",
                 saved.dump()),
          "a run's options cannot be changed: put the old value back, or start "
          "a new run");
}

} // namespace

Training::Training(const RunConfig &theConfig, Program program,
                   Processes &processes)
    : config(theConfig), processes(processes),
      instance(std::move(program), &processes), data(config.data),
      labels(openLabels(config.labels, data)),
      trainer(instance, processes, config.options, data, labels.get()),
      watch(instance, config.options.watch) {
  if (!config.validation.empty()) {
    validation = std::make_unique<TokenFile>(config.validation);
    validationLabels = openLabels(config.validationLabels, *validation);
    evaluator = std::make_unique<Evaluator>(instance, *validation,
                                            validationLabels.get());
  }
  expectSameInputs();
}

/// Each process has been told by itself what to train, and on what.
void Training::expectSameInputs() const {
  if (processes.size == 1)
    return; // labels are read as a whole for their checksums
  processes.expectSame("programs", instance.manifest().fingerprint,
                       "compile once, and give all processes that program");
  std::string options;
  const OrderedJson json = config.options.toJson();
  for (const auto &[key, value] : json.items())
    options += concat(key, " ", value.dump(), "\n");
  processes.expectSame("options", options,
                       "give all processes the same command line");
  auto checksum = [](const auto &file) {
    return file ? file->checksum() : "none";
  };
  processes.expectSame(
      "data",
      concat(data.size(), " tokens\ntokens with checksum ",
             data.sampledChecksum(), "\nlabels with checksum ",
             checksum(labels), "\nvalidation tokens with checksum ",
             validation ? validation->sampledChecksum() : "none",
             "\nvalidation labels with checksum ", checksum(validationLabels)),
      "give all processes the same files");
}

void Training::print(const std::string &text) const {
  if (!processes.isFirst())
    return;
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void Training::printNote(const std::string &note) const {
  if (!note.empty())
    print("note: " + printableMessage(note) + "\n");
}

template <class Body>
int Training::withOthers(const RunFolder &folder, const RunConfig &config,
                         Body body) {
  Program program = Program::open(config.program, config.checks);
  const auto processes = joinProcesses(program.manifest().processes);
  processes->setErrorFolder(folder.path());
  try {
    Training training(config, std::move(program), *processes);
    return body(training);
  } catch (const std::exception &error) {
    processes->noteError(error.what());
    throw;
  }
}

int Training::start(RunFolder &folder, const RunConfig &config,
                    const Observations &observations) {
  auto refuseExisting = [&] {
    if (RunFolder::exists(folder.path()) ||
        !folder.checkpoints().steps().empty())
      throw Error::inFile(folder.path(),
                          "there is a run in this folder already",
                          "continue it with: fp8c-run train --resume " +
                              folder.path() + "; or choose another --out");
  };
  refuseExisting();
  for (const std::string &path : {config.program, config.data, config.labels,
                                  config.validation, config.validationLabels})
    checkPath(path);
  config.options.check();
  return withOthers(folder, config, [&](Training &training) {
    if (!observations.profile.empty())
      training.instance.device().setProfiling(false); // or throws: it cannot
    training.observations = observations;
    training.printConfiguration(folder);
    training.initialize();
    if (!training.processes.isFirst())
      return training.loop(folder, RunState());
    folder.lock();
    refuseExisting(); // it may have been made while this one got ready
    training.config.fingerprint = training.instance.manifest().fingerprint;
    training.config.tokensPerStep = training.trainer.tokensPerStep();
    training.config.dataTokens = training.data.size();
    if (training.labels)
      training.config.labelsChecksum = training.labels->checksum();
    folder.writeConfig(training.config);
    training.instance.device().keepPlans(folder.plansPath());
    return training.loop(folder, RunState());
  });
}

void ResumeChanges::apply(RunConfig &config, const std::string &run) const {
  TrainOptions &options = config.options;
  if (!program.empty()) {
    config.program = program;
    options.accumulate = accumulate.value_or(options.accumulate);
  }
  if (steps && *steps < options.steps)
    throw Error::inFile(run, concat("--steps can only be raised on resume, and "
                                    "the run has ",
                                    options.steps));
  if (reschedule)
    options.scheduleSteps = 0;
  else if (steps && *steps > options.steps && !options.scheduleSteps)
    options.scheduleSteps = options.steps;
  options.steps = steps.value_or(options.steps);
  if (options.scheduleSteps && options.lr > 0 &&
      options.scheduleOf().at(options.steps) == 0)
    throw Error::inFile(
        run,
        concat("the learning rate is 0 after the ", options.scheduleSteps,
               " steps of its schedule: more would do nothing"),
        "--reschedule stretches the schedule over all steps; the learning rate "
        "jumps then");
  options.checkpointEvery = checkpointEvery.value_or(options.checkpointEvery);
  options.keep = keep.value_or(options.keep);
  options.logEvery = logEvery.value_or(options.logEvery);
  options.check();
}

int Training::resume(RunFolder &folder, const ResumeChanges &changes,
                     std::optional<int64_t> step) {
  RunConfig config = folder.readConfig(); // before lock() makes a folder
  const bool isFirst = currentJob().rank == 0;
  if (isFirst) {
    folder.lock();
    folder.checkpoints().clean();
    config = folder.readConfig();
  }
  config.checks = changes.checks;
  changes.apply(config, folder.path());

  return withOthers(folder, config, [&](Training &training) {
    if (!changes.program.empty())
      training.config.fingerprint = training.instance.manifest().fingerprint;
    training.checkInputs();
    training.printConfiguration(folder);
    training.printNote(config.note);
    if (isFirst)
      training.printNote(
          training.instance.device().keepPlans(folder.plansPath()));
    RunState state = training.restore(folder, step, changes);
    if (isFirst)
      folder.writeConfig(training.config);
    return training.loop(folder, state);
  });
}

void Training::checkInputs() const {
  if (config.fingerprint != instance.manifest().fingerprint)
    throw Error::inFile(
        config.program, "the program was compiled again since the run began",
        "compile that one again, or name this one: fp8c-run train PROGRAM "
        "--resume RUN");
  if (config.tokensPerStep && config.tokensPerStep != trainer.tokensPerStep())
    throw Error::inFile(config.program,
                        concat("a step of the run has ", config.tokensPerStep,
                               " tokens, one of this program has ",
                               trainer.tokensPerStep()),
                        "compile it with another --batch, or give another "
                        "--accumulate, so that "
                        "sequences x micro-batches x processes stay the same");
  if (config.dataTokens != data.size())
    throw Error::inFile(config.data,
                        concat("the data has changed since the run began: it "
                               "had ",
                               config.dataTokens, " tokens, now it has ",
                               data.size()),
                        "put the old file back, or start a new run");
  if (labels && config.labelsChecksum != labels->checksum())
    throw Error::inFile(config.labels,
                        "the labels have changed since the run began: their "
                        "checksum is not the run's",
                        "put the old file back, or start a new run");
}

RunState Training::restore(const RunFolder &folder, std::optional<int64_t> step,
                           const ResumeChanges &changes) {
  CheckpointFolder checkpoints = folder.checkpoints();
  std::vector<int64_t> steps = checkpoints.steps();
  if (step && std::find(steps.begin(), steps.end(), *step) == steps.end()) {
    std::string there;
    for (int64_t one : steps)
      there += (there.empty() ? "" : ", ") + std::to_string(one);
    throw Error::inFile(
        folder.path(), concat("the run has no checkpoint of step ", *step),
        there.empty() ? "it has none" : "it has those of step " + there);
  }
  if (steps.empty()) {
    initialize();
    print("no checkpoint yet: starting at the beginning\n\n");
    return {};
  }
  SavedState state = checkpoints.load(
      instance, step.value_or(steps.back()), [&](int64_t older) {
        return concat("continue at step ", older,
                      ", which can be loaded: fp8c-run train --resume ",
                      folder.path(), " --step ", older);
      });
  checkOptions(config.options, state, changes, folder.path());
  printNote(state.note);
  print(concat("resumed at step ", state.step, "\n"));
  processes.meet("checkpoint"); // all have read the newer ones' names
  std::string aside =
      processes.isFirst() ? folder.setAsideAfter(state.step) : "";
  if (!aside.empty())
    printNote("newer checkpoints were moved to " + aside +
              ", and metrics copied: they can be deleted");
  print("\n");
  return state;
}

void Training::initialize() {
  initializeVariables(instance, config.options.seed);
  instance.refresh();
  trainer.calibrate();
}

void Training::printConfiguration(const RunFolder &folder) const {
  const Manifest &manifest = instance.manifest();
  const TrainOptions &options = config.options;
  auto thousands = [](uint64_t value) {
    return withThousands(static_cast<int64_t>(value));
  };
  Table table;
  table.row("program", instance.program().folder());
  table.row("model",
            concat(manifest.model.name, ", ",
                   withThousands(manifest.model.parameters), " parameters, ",
                   manifest.model.frozen
                       ? withThousands(manifest.model.frozen) + " frozen ones, "
                       : "",
                   "vocabulary ", withThousands(trainer.batchShape().vocab)));
  table.row("recipe", manifest.recipe);
  table.row("batch",
            concat(trainer.batchShape().rows, " x ", trainer.batchShape().seq,
                   " tokens x ", options.accumulate,
                   options.accumulate == 1 ? " micro-batch" : " micro-batches",
                   processes.size == 1
                       ? ""
                       : concat(" x ", processes.size, " processes"),
                   " = ", withThousands(trainer.tokensPerStep()),
                   " tokens per step"));
  double passes = static_cast<double>(trainer.tokensPerStep()) *
                  static_cast<double>(options.steps) /
                  static_cast<double>(data.size());
  table.row("data",
            concat(data.path(), ", ", thousands(data.size()), " tokens, ",
                   data.layout(), numberText(", seen %.3g times", passes)));
  if (labels)
    table.row("labels", concat(labels->path(), ", of which ",
                               thousands(trainer.labelsThatCount()), " count"));
  if (validation)
    table.row("validation", concat(validation->path(), ", ",
                                   thousands(validation->size()), " tokens"));
  table.row("optimizer",
            concat("AdamW, betas ", options.beta1, " ", options.beta2, ", eps ",
                   options.eps, ", weight decay ", options.weightDecay,
                   ", clip ", options.clip));
  table.row("schedule",
            concat(options.schedule, ", lr ", options.lr, " to ", options.minLr,
                   ", ", withThousands(options.steps), " steps, warm-up ",
                   withThousands(options.warmup),
                   options.scheduleSteps
                       ? concat("; of ", withThousands(options.scheduleSteps),
                                " steps, then as the last of them")
                       : ""));
  table.row("memory",
            concat("variables ", bytesText(manifest.variablesBytes), ", arena ",
                   bytesText(manifest.arenaBytes),
                   manifest.workspaceBytes
                       ? ", workspace " + bytesText(manifest.workspaceBytes)
                       : ""));
  table.row("device", instance.device().describe());
  table.row("seed", std::to_string(options.seed));
  table.row("run", folder.path());
  print(table.str() + "\n");
}

bool Training::isDue(int64_t every, int64_t step) const {
  return step == config.options.steps || (every > 0 && step % every == 0);
}

StepMetrics Training::runStep(RunState &state) {
  Clock::time_point start = Clock::now();
  int64_t step = state.step + 1;
  const uint64_t sentBefore = instance.device().sentBytes();
  Trainer::StepResult result = trainer.step(step);
  state.step = step;

  StepMetrics metrics;
  metrics.step = step;
  metrics.loss = result.loss;
  metrics.gradNorm = result.gradNorm;
  metrics.lr = result.lr;
  double seconds = secondsSince(start);
  metrics.ms = seconds * 1e3;
  metrics.tokensPerSecond =
      static_cast<double>(trainer.tokensPerStep()) / seconds;

  metrics.sentBytes = instance.device().sentBytes() - sentBefore;
  hadLabels = result.labels > 0;
  signal = result.signal;
  bool finite = std::isfinite(result.loss) && std::isfinite(result.gradNorm);
  state.skipped += !finite;
  state.skippedInARow = finite ? 0 : state.skippedInARow + 1;
  metrics.skipped = state.skipped;
  return metrics;
}

StepMetrics Training::runProfiledStep(RunState &state) {
  Device &device = instance.device();
  device.setProfiling(true);
  StepMetrics metrics = runStep(state);
  device.setProfiling(false);
  std::vector<OpTime> times = device.takeProfile();
  if (!processes.isFirst())
    return metrics;
  writeTrace(observations.profile, times);
  print(concat("\nstep ", state.step, " op by op (trace in ",
               printable(observations.profile), "; open it with Perfetto)\n",
               profileTable(times, 60), "\n"));
  return metrics;
}

int Training::loop(const RunFolder &folder, RunState state) {
  const TrainOptions &options = config.options;
  const int64_t firstStep = state.step + 1;
  const bool saves = options.checkpointEvery >= 0;
  if (state.step >= options.steps) {
    print(concat("the run is complete: ", state.step,
                 " steps; raise --steps to train on, with --reschedule if the "
                 "learning rate is to rise again\n"));
    return 0;
  }
  watchInterrupts();
  const bool writes = processes.isFirst();
  std::optional<MetricsFile> metricsFile;
  if (writes) {
    metricsFile.emplace(folder.metricsPath(), state.step);
    printNote(metricsFile->note());
    printNote(watch.open(folder.watchPath(), state.step));
  }
  const Clock::time_point start = Clock::now();
  Clock::time_point lastLine = start;

  while (state.step < options.steps) {
    // After some steps everything is loaded and warm.
    bool profiled =
        !observations.profile.empty() && state.step == firstStep + 2;
    StepMetrics metrics = profiled ? runProfiledStep(state) : runStep(state);
    if (observations.replicas)
      checkReplicas(instance, processes);
    bool last = state.step == options.steps;
    bool isAsked = signal == SIGUSR2; // for a checkpoint
    bool stop = signal != 0 && !isAsked;
    if (evaluator && isDue(options.evalEvery, state.step))
      metrics.valLoss = evaluator->run(options.evalBatches, &processes).loss;
    if (last || stop)
      if (std::optional<uint64_t> measured = instance.device().measuredBytes())
        metrics.memory = {instance.manifest().plannedBytes(), *measured};
    if (writes) {
      metricsFile->append(metrics);
      watch.observe(state.step, trainer, [this](const std::string &text) {
        print("warning: " + text + "\n");
      });
    }

    bool show = options.logEvery > 0 ? state.step % options.logEvery == 0
                                     : secondsSince(lastLine) >= 1;
    if (show || state.step == firstStep || last || stop || metrics.valLoss) {
      double perStep =
          secondsSince(start) / static_cast<double>(state.step - firstStep + 1);
      print(
          stepLine(metrics, options.steps,
                   perStep * static_cast<double>(options.steps - state.step)) +
          "\n");
      lastLine = Clock::now();
    }
    if (metrics.memory)
      print("\n" + memoryLine(*metrics.memory) + "\n");
    if (metrics.sentBytes && (last || stop))
      print(concat("\nwire: ", bytesText(metrics.sentBytes),
                   " a step from each process\n"));
    if (state.skippedInARow >= maxSkippedInARow)
      throw Error(
          concat("stopped at step ", state.step, ": ",
                 hadLabels
                     ? "the gradients have not been finite for "
                     : "no label counted, or no gradient was finite, for ",
                 maxSkippedInARow, " steps in a row"),
          concat(hadLabels ? "lower --lr or lengthen --warmup"
                           : "give more labels that are not negative, or raise "
                             "--accumulate",
                 "; the last checkpoint is in ", folder.path()));
    if (saves &&
        (isDue(options.checkpointEvery, state.step) || stop || isAsked)) {
      if (writes) {
        metricsFile->sync();
        folder.checkpoints().save(instance, state, options.toJson(),
                                  options.keep);
      }
      // Others wait here as long as it takes: a transfer's patience is limited.
      processes.setActivity("the checkpoint");
      processes.meet("checkpoint");
      if (isAsked)
        print(concat("checkpoint of step ", state.step, ", as asked\n"));
    }
    if (stop && !last) {
      print(concat("\nstopped after step ", state.step,
                   saves ? "; continue with: fp8c-run train --resume " +
                               printable(folder.path())
                         : "",
                   "\n"));
      return 128 + signal;
    }
  }
  print(concat("\ntrained ", options.steps - firstStep + 1, " steps in ",
               durationText(secondsSince(start)),
               saves
                   ? "; checkpoint in " +
                         printable(folder.checkpoints().folderOf(options.steps))
                   : "",
               "\n"));
  return 0;
}

} // namespace fp8c::runtime
