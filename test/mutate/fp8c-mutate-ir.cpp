//===- fp8c-mutate-ir.cpp - Holds passes against mutated IR ---------------===//
//
//   $ fp8c-mutate-ir program.fp8.mlir --stage fp8 --recipe fp8-lm --count 1000
//
// Each mutant goes through the parser, the passes that follow the stage it is
// at, and the printer of source. It may be refused, by an error, or accepted.
// A crash, a hang, or a refusal that says nothing is a finding: the mutant is
// kept, and how to repeat it is printed. Mutants run in child processes, some
// in each, so that a crash costs no more than one.
//
//===----------------------------------------------------------------------===//

#include "MutateIR.h"
#include "Target/Source/SourcePrinter.h"
#include "fp8c/Pipelines.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/xxhash.h"

#include <csignal>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace llvm;
using namespace fp8c;

static cl::opt<std::string> inputFile(cl::Positional, cl::Required,
                                      cl::desc("<IR>"));
static cl::opt<std::string> stageName("stage", cl::desc("What the IR is"),
                                      cl::init("train"));
static cl::opt<std::string> recipe("recipe", cl::init("fp8-delayed"));
static cl::opt<std::string> targetName("target", cl::init("cpu"));
static cl::opt<uint64_t> seed("seed", cl::init(1));
static cl::opt<unsigned> first("first", cl::desc("The first mutant's number"));
static cl::opt<unsigned> mutants("count", cl::init(100));
static cl::opt<unsigned> seconds("timeout", cl::init(10));
static cl::opt<bool> print("print",
                           cl::desc("Print the first mutant instead, and "
                                    "on stderr what was done to it"));
static cl::opt<bool>
    list("list", cl::desc("Print which mutants are accepted, with a hash of "
                          "the program that each one becomes"));
static cl::opt<std::string> folder("findings", cl::init("."),
                                   cl::desc("Where findings are kept"));

namespace {
enum class Outcome { Refused, Accepted, Silent };

/// What children tell.
struct Shared {
  unsigned current;
  unsigned refused, accepted, silent;
};
} // namespace

/// Children start from a context each: it keeps all types that it has seen.
constexpr unsigned kMutantsPerChild = 64;

constexpr StringRef kStages[] = {"train", "grad", "fp8", "fusion", "exec"};

static Stage getStage() {
  return static_cast<Stage>(llvm::find(kStages, stageName) - kStages);
}

static std::string getMutant(StringRef text, unsigned number,
                             std::string &kind) {
  return mutateIR(text, xxh3_64bits(text) ^ (seed * 1000003 + number), kind);
}

/// Leads a module of the stage to source.
static Outcome runPasses(StringRef text, mlir::MLIRContext &context,
                         raw_ostream &source) {
  bool reported = false;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &said) {
    reported |= said.getSeverity() == mlir::DiagnosticSeverity::Error;
    return mlir::success();
  });
  auto refused = [&] { return reported ? Outcome::Refused : Outcome::Silent; };
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    return refused();
  PipelineOptions options;
  options.recipe = recipe;
  options.target = targetName;
  options.recompute = options.getDefaultRecompute(&context);
  mlir::PassManager passes(&context);
  buildPipeline(passes, options, Stage::exec, getStage());
  if (mlir::failed(passes.run(*module)))
    return refused();
  if (mlir::failed(target::printSource(*module, source)))
    return refused();
  return Outcome::Accepted;
}

/// The life of a child.
static void runMutants(StringRef text, unsigned begin, unsigned end,
                       Shared &shared) {
  rlimit none{0, 0}, memory{rlim_t(4) << 30, rlim_t(4) << 30};
  setrlimit(RLIMIT_CORE, &none);
  setrlimit(RLIMIT_AS, &memory);
  mlir::DialectRegistry registry;
  registerDialects(registry);
  target::registerSourceModels(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  std::string source;
  raw_string_ostream os(source);
  if (list && begin == first &&
      runPasses(text, context, os) == Outcome::Accepted)
    outs() << "original " << utohexstr(xxh3_64bits(source)) << "\n";
  for (unsigned i = begin; i < end; ++i) {
    source.clear();
    shared.current = i;
    (void)ftruncate(STDERR_FILENO, 0);
    alarm(seconds);
    std::string kind;
    switch (runPasses(getMutant(text, i, kind), context, os)) {
    case Outcome::Refused:
      ++shared.refused;
      break;
    case Outcome::Accepted:
      ++shared.accepted;
      if (list)
        outs() << i << " " << utohexstr(xxh3_64bits(source)) << " " << kind
               << "\n";
      break;
    case Outcome::Silent:
      ++shared.silent;
      abort();
    }
    outs().flush();
  }
  _exit(0);
}

/// Keeps a mutant that is a finding, and says how to repeat it.
static void report(StringRef text, unsigned number, int status,
                   const std::string &log, const Shared &shared) {
  std::string kind;
  std::string mutant = getMutant(text, number, kind);
  std::string path = folder + "/" + stageName + "-" + recipe + "-" +
                     std::to_string(seed) + "-" + std::to_string(number) +
                     ".mlir";
  std::error_code error;
  raw_fd_ostream(path, error) << mutant;
  outs() << "mutant " << number << " of seed " << seed << " (" << kind << "): ";
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
    outs() << "takes more than " << seconds << " s";
  else if (shared.silent)
    outs() << "refused without an error";
  else
    outs() << "crashes with signal "
           << (WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  if (auto said = MemoryBuffer::getFile(log))
    outs() << "\n  " << (*said)->getBuffer().rtrim().take_front(400);
  outs() << "\n  to repeat: fp8c-opt " << path;
  for (int stage = int(getStage()) + 1; stage <= int(Stage::exec); ++stage)
    outs() << " '--fp8c-" << kStages[stage] << "-pipeline=recipe=" << recipe
           << " target=" << targetName << "'";
  outs() << "\n";
  outs().flush();
}

int main(int argc, char **argv) {
  cl::ParseCommandLineOptions(argc, argv);
  auto buffer = MemoryBuffer::getFile(inputFile);
  if (!buffer) {
    errs() << "fp8c-mutate-ir: cannot read " << inputFile << "\n";
    return 2;
  }
  StringRef text = (*buffer)->getBuffer();
  if (!is_contained(kStages, stageName)) {
    errs() << "fp8c-mutate-ir: no stage is called '" << stageName << "'\n";
    return 2;
  }
  if (print) {
    std::string kind;
    outs() << getMutant(text, first, kind);
    errs() << kind << "\n";
    return 0;
  }
  auto *shared = static_cast<Shared *>(mmap(nullptr, sizeof(Shared),
                                            PROT_READ | PROT_WRITE,
                                            MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  sys::fs::create_directories(folder);
  std::string log = folder + "/log-" + std::to_string(getpid());
  unsigned findings = 0, end = first + mutants;
  for (unsigned next = first; next < end;) {
    unsigned until = std::min(end, next + kMutantsPerChild);
    shared->silent = 0;
    pid_t child = fork();
    if (child == 0) {
      dup2(open(log.c_str(), O_CREAT | O_RDWR | O_TRUNC | O_APPEND, 0600),
           STDERR_FILENO);
      runMutants(text, next, until, *shared);
    }
    int status = 0;
    waitpid(child, &status, 0);
    bool failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    if (failed) {
      report(text, shared->current, status, log, *shared);
      ++findings;
    }
    next = failed ? shared->current + 1 : until;
  }
  std::remove(log.c_str());
  outs() << inputFile << ": " << mutants << " mutants, " << shared->refused
         << " refused, " << shared->accepted << " accepted, " << findings
         << " findings\n";
  return findings ? 1 : 0;
}
