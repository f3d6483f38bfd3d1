//===- TrainCommand.cpp - fp8c-run train ----------------------------------===//

#include "Commands.h"

#include "core/FileSystem.h"
#include "core/Tokenizer.h"
#include "core/Training.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <filesystem>

namespace fp8c::run {
namespace {

using namespace runtime;

struct TrainArguments {
  std::string program, data, labels, validation, validationLabels, out = "run",
                                                                   resume;
  Observations observations;
  int64_t step = 0;
  bool reschedule = false;
  int processes = 0;
  JobOptions job;
  TrainOptions options;
  Checks checks = Checks::On;
};

/// As many micro-batches as a program needs; nothing if any number will do, or
/// if there is no such program, which others report.
std::optional<int64_t> microBatchesOf(const std::string &program) {
  const std::filesystem::path manifest =
      std::filesystem::path(program) / "manifest.json";
  if (!exists(manifest))
    return std::nullopt;
  const int64_t needed =
      Manifest::read(manifest, Checks::Off).model.microBatches;
  return needed ? std::optional<int64_t>(needed) : std::nullopt;
}

/// Options whose default depends on others.
void resolveDefaults(const CLI::App &command, TrainOptions &options) {
  if (!command.count("--min-lr"))
    options.minLr = options.lr / 10;
  if (!command.count("--warmup"))
    options.warmup = std::min<int64_t>(2000, options.steps / 20);
  if (!command.count("--decay-steps"))
    options.decaySteps = std::max<int64_t>(1, options.steps / 5);
}

int start(const CLI::App &command, TrainArguments &arguments) {
  for (const char *needed : {"PROG", "--data", "--steps"})
    if (!command.count(needed))
      throw CLI::RequiredError(needed);
  if (arguments.reschedule)
    throw Error("--reschedule is for --resume with more --steps");
  if (command.count("--step"))
    throw Error("--step is the checkpoint to resume at",
                "a new run takes --steps: how many it has");
  if (command.count("--val-labels") && !command.count("--val"))
    throw Error("--val-labels are the labels of --val, which is not given");
  resolveDefaults(command, arguments.options);
  RunConfig config;
  config.program = absolutePath(arguments.program);
  config.data = absolutePath(arguments.data);
  config.labels = absolutePath(arguments.labels);
  config.validation = absolutePath(arguments.validation);
  config.validationLabels = absolutePath(arguments.validationLabels);
  config.tokenizer = readTokenizerOf(config.data);
  config.options = arguments.options;
  if (!command.count("--accumulate"))
    config.options.accumulate = microBatchesOf(config.program).value_or(1);
  config.checks = arguments.checks;
  RunFolder folder(arguments.out);
  return Training::start(folder, config, arguments.observations);
}

int resume(const CLI::App &command, const TrainArguments &arguments) {
  const std::vector<std::string> changeable = {
      "PROG",         "--resume",     "--step",    "--steps",
      "--keep",       "--accumulate", "--nproc",   "--checkpoint-every",
      "--address",    "--log-every",  "--timeout", "--unchecked",
      "--token-file", "--reschedule"};
  for (const CLI::Option *option : command.parse_order())
    if (std::find(changeable.begin(), changeable.end(), option->get_name()) ==
        changeable.end())
      throw Error(option->get_name() + " cannot be changed when a run is "
                                       "resumed",
                  "start a new run, or change only --steps, "
                  "--checkpoint-every, --keep and --log-every");
  auto given = [&](const char *name, int64_t value) -> std::optional<int64_t> {
    return command.count(name) ? std::optional<int64_t>(value) : std::nullopt;
  };
  const TrainOptions &options = arguments.options;
  ResumeChanges changes;
  changes.steps = given("--steps", options.steps);
  changes.checkpointEvery =
      given("--checkpoint-every", options.checkpointEvery);
  changes.reschedule = arguments.reschedule;
  changes.keep = given("--keep", options.keep);
  changes.logEvery = given("--log-every", options.logEvery);
  changes.checks = arguments.checks;
  if (!arguments.program.empty())
    changes.program = absolutePath(arguments.program);
  changes.accumulate = given("--accumulate", options.accumulate);
  if (!changes.accumulate && !changes.program.empty())
    changes.accumulate = microBatchesOf(changes.program);
  if (changes.accumulate && changes.program.empty())
    throw Error("--accumulate can only be changed with the program",
                "name the program that continues the run: fp8c-run train "
                "PROGRAM --resume RUN");
  RunFolder folder(arguments.resume);
  return Training::resume(folder, changes, given("--step", arguments.step));
}

} // namespace

void addTrainCommand(CLI::App &tool, Action &action) {
  auto *command = tool.add_subcommand(
      "train", "Train a program, or continue a run with --resume.");
  command->footer("SIGINT, SIGTERM, SIGUSR1 and SIGHUP (if it is not ignored) "
                  "end the training with a checkpoint, after the step that "
                  "runs; a second one ends it at once. After SIGUSR2 it writes "
                  "a checkpoint and goes on.");
  auto arguments = std::make_shared<TrainArguments>();
  TrainOptions &options = arguments->options;
  // A script's options can be overridden by adding to its command line.
  command->option_defaults()->multi_option_policy(
      CLI::MultiOptionPolicy::TakeLast);

  command->add_option("PROG", arguments->program,
                      "compiled program (the .fp8x folder); with --resume "
                      "another one that continues the run, of the same model, "
                      "for another number of processes or another batch");
  command->add_option("--resume", arguments->resume,
                      "continue the run in this folder, bit for bit; of the "
                      "options only --step, --steps (raised), "
                      "--reschedule, --checkpoint-every, --keep and "
                      "--log-every may be given, and with PROG --accumulate");
  command->add_flag(
      "--reschedule", arguments->reschedule,
      "with --resume and more --steps: stretch the learning rate's schedule "
      "over all of them, which makes it jump [it stays what it was, then "
      "--min-lr]");
  command->add_option("--step", arguments->step,
                      "with --resume: continue at this step's checkpoint [the "
                      "newest]; newer ones are moved to RUN/aside-1");

  const char *several =
      "Several processes (of a program that was compiled with "
      "--parallel dp=N)";
  auto *count = command->add_option("--nproc", arguments->processes,
                                    "start so many processes on this machine; "
                                    "without it torchrun, mpirun or srun does");
  count->check(CLI::Range(1, 1024))->group(several);
  command
      ->add_option("--address", arguments->job.address,
                   "HOST:PORT where rank 0 listens [the launcher's: torchrun's "
                   "MASTER_ADDR and MASTER_PORT, Slurm's first node; for "
                   "mpirun on one machine 127.0.0.1:29400]")
      ->envname("FP8C_ADDRESS")
      ->excludes(count)
      ->group(several);
  command
      ->add_option("--token-file", arguments->job.tokenFile,
                   "file, readable by nobody else, with the secret that all "
                   "processes of the job share [the environment's FP8C_TOKEN]")
      ->excludes(count)
      ->group(several);
  command
      ->add_option("--timeout", arguments->job.timeout,
                   "seconds in which all processes must have come; one waits "
                   "ten times as long for others who live")
      ->capture_default_str()
      ->check(CLI::Range(1, 86400))
      ->group(several);

  const char *files = "Data and output";
  command
      ->add_option("--data", arguments->data,
                   "training tokens: uint16, headerless (nanoGPT) or with "
                   "llm.c's header")
      ->group(files);
  command
      ->add_option("--labels", arguments->labels,
                   "labels of the training tokens, for encoders, or to leave "
                   "some out: an int32 for each token, at its place, without "
                   "header, as NumPy's labels.astype('<i4').tofile(FILE) "
                   "writes; negative ones, as -100, do not count. Where the "
                   "model predicts next tokens, a token's label is what should "
                   "be predicted at its place [the tokens]")
      ->group(files);
  command
      ->add_option("--val", arguments->validation,
                   "validation tokens, same layouts")
      ->group(files);
  command
      ->add_option("--val-labels", arguments->validationLabels,
                   "labels of the validation tokens")
      ->group(files);
  command
      ->add_option("--out", arguments->out,
                   "folder for config, metrics and checkpoints")
      ->capture_default_str()
      ->group(files);

  command
      ->add_option("--profile", arguments->observations.profile,
                   "time the fourth step op by op: a Perfetto trace (JSON) to "
                   "this file, a table to the terminal; CUDA only")
      ->group(files);
  command
      ->add_flag("--check-replicas", arguments->observations.replicas,
                 "with --nproc: after every step compare the checksums of all "
                 "variables; end with an error if one differs")
      ->group(files);

  const char *optimizer = "Optimizer (AdamW)";
  command->add_option("--steps", options.steps, "optimizer steps in all")
      ->group(optimizer);
  command->add_option("--lr", options.lr, "peak learning rate")
      ->capture_default_str()
      ->group(optimizer);
  command
      ->add_option("--min-lr", options.minLr,
                   "learning rate of the last step, which with 0 is the one "
                   "before it arrives there [lr / 10]")
      ->group(optimizer);
  command
      ->add_option("--warmup", options.warmup,
                   "steps of linear warm-up [steps / 20, at most 2000]")
      ->group(optimizer);
  command
      ->add_option("--schedule", options.schedule,
                   "after warm-up: cosine, linear, constant, or wsd "
                   "(constant, then a line to min-lr)")
      ->capture_default_str()
      ->check(CLI::IsMember({"cosine", "linear", "constant", "wsd"}))
      ->group(optimizer);
  command
      ->add_option("--decay-steps", options.decaySteps,
                   "steps of wsd's final decay, at least 1 [steps / 5]")
      ->group(optimizer);
  command->add_option("--beta1", options.beta1, "decay of the first moment")
      ->capture_default_str()
      ->group(optimizer);
  command->add_option("--beta2", options.beta2, "decay of the second moment")
      ->capture_default_str()
      ->group(optimizer);
  command->add_option("--eps", options.eps, "added to the denominator")
      ->capture_default_str()
      ->group(optimizer);
  command
      ->add_option("--weight-decay", options.weightDecay,
                   "decoupled weight decay")
      ->capture_default_str()
      ->group(optimizer);
  command
      ->add_option("--clip", options.clip,
                   "largest global gradient norm; 0: no clipping")
      ->capture_default_str()
      ->group(optimizer);
  command
      ->add_option(
          "--accumulate", options.accumulate,
          "micro-batches per step [as many as the program was compiled "
          "for, else 1]")
      ->group(optimizer);
  command
      ->add_option("--seed", options.seed, "of initial weights and data order")
      ->capture_default_str()
      ->group(optimizer);

  const char *reports = "Evaluation, checkpoints and log";
  command
      ->add_option("--eval-every", options.evalEvery,
                   "steps between evaluations; the last step is always "
                   "evaluated")
      ->capture_default_str()
      ->group(reports);
  command
      ->add_option("--eval-batches", options.evalBatches,
                   "batches per evaluation, spread over the file; 0: all")
      ->capture_default_str()
      ->group(reports);
  command
      ->add_option("--checkpoint-every", options.checkpointEvery,
                   "steps between checkpoints; the last step is always "
                   "saved, but with -1, for measurements")
      ->capture_default_str()
      ->group(reports);
  command
      ->add_option("--keep", options.keep, "newest checkpoints to keep; 0: all")
      ->capture_default_str()
      ->group(reports);
  command
      ->add_option("--log-every", options.logEvery,
                   "steps between printed lines; 0: about one a second")
      ->capture_default_str()
      ->group(reports);

  const char *watching = "FP8 statistics";
  command
      ->add_option("--watch-every", options.watch.every,
                   "steps between lines of fp8.jsonl; 0: none")
      ->capture_default_str()
      ->group(watching);
  command
      ->add_option("--watch", options.watch.pattern,
                   "regular expression: tensors whose names it is found in "
                   "[all]")
      ->group(watching);
  command
      ->add_option("--watch-underflow", options.watch.underflow,
                   "warn if a larger share of a tensor's codes is 0")
      ->capture_default_str()
      ->group(watching);
  command
      ->add_option("--watch-saturation", options.watch.saturation,
                   "warn if a larger share of a tensor's codes is the largest")
      ->capture_default_str()
      ->group(watching);

  addUnchecked(*command, arguments->checks);
  command->callback([command, arguments, &action] {
    action = [command, arguments] {
      if (arguments->processes)
        if (Launched launched =
                launchProcesses(arguments->processes,
                                std::chrono::seconds(arguments->job.timeout));
            launched.isLauncher)
          return launched.status;
      if (!arguments->processes)
        setCurrentJob(Job::fromEnvironment(arguments->job));
      return arguments->resume.empty() ? start(*command, *arguments)
                                       : resume(*command, *arguments);
    };
  });
}

} // namespace fp8c::run
