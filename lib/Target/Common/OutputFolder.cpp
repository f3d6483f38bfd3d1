//===- OutputFolder.cpp - A program folder in the making ------------------===//

#include "Target/Common/OutputFolder.h"

#include "Target/Common/Replaceable.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace mlir;
using namespace fp8c::target;
namespace fs = llvm::sys::fs;

static std::error_code lastError() { return {errno, std::generic_category()}; }

//===----------------------------------------------------------------------===//
// Staging folders
//===----------------------------------------------------------------------===//

/// NAME.fp8x is made in NAME.fp8x.tmp-0123abcd. Its maker holds a lock on it,
/// which the system takes back when the process ends, however it ends.
static constexpr StringLiteral kSuffix = ".tmp-%%%%%%%%";

static bool isStagingOf(StringRef name, StringRef program) {
  return name.consume_front(program) && name.size() == kSuffix.size() &&
         name.consume_front(".tmp-") &&
         llvm::all_of(name, [](char c) { return llvm::isHexDigit(c); });
}

/// An open and locked folder, or -1: another process holds it, it is a link, or
/// there is none.
static int lockFolder(const std::string &path) {
  int folder =
      open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  struct stat status;
  if (folder >= 0 &&
      (flock(folder, LOCK_EX | LOCK_NB) != 0 || fstat(folder, &status) != 0 ||
       status.st_nlink == 0)) { // it was removed in between
    close(folder);
    return -1;
  }
  return folder;
}

/// Removes what killed processes left beside the program.
static void removeLeftovers(StringRef path) {
  StringRef parent = llvm::sys::path::parent_path(path);
  std::error_code error;
  std::vector<std::string> found;
  for (fs::directory_iterator it(parent.empty() ? "." : parent, error, false),
       end;
       it != end && !error; it.increment(error))
    if (isStagingOf(llvm::sys::path::filename(it->path()),
                    llvm::sys::path::filename(path)))
      found.push_back(it->path());
  for (const std::string &folder : found) {
    int lock = lockFolder(folder);
    if (lock < 0)
      continue;
    if (holdsOnlyProgramFiles(folder))
      removeProgram(folder);
    close(lock);
  }
}

OutputFolder::OutputFolder(StringRef place) : path(place.str()) {}

std::error_code OutputFolder::makeStaging() {
  for (int attempt = 0; attempt < 100; ++attempt) {
    SmallString<128> unique;
    fs::createUniquePath(path + kSuffix, unique, /*MakeAbsolute=*/false);
    if (mkdir(unique.c_str(), 0777) != 0) {
      if (errno == EEXIST)
        continue;
      return lastError();
    }
    staging = unique.str().str();
    lock = lockFolder(staging);
    if (lock >= 0 || fs::is_directory(staging)) // no locks on some networks
      return mkdir(file("tmp").c_str(), 0777) == 0 ? std::error_code()
                                                   : lastError();
  }
  return std::make_error_code(std::errc::file_exists);
}

std::error_code OutputFolder::create() {
  std::lock_guard<std::mutex> guard(mutex);
  StringRef parent = llvm::sys::path::parent_path(path);
  for (StringRef p = parent; !p.empty() && !fs::exists(p);
       p = llvm::sys::path::parent_path(p))
    madeParents.push_back(p.str());
  if (std::error_code error =
          parent.empty() ? std::error_code() : fs::create_directories(parent))
    return error;
  removeLeftovers(path);
  return makeStaging();
}

std::unique_ptr<OutputFolder> OutputFolder::make(StringRef path,
                                                 EmitError emitError) {
  while (path.size() > 1 && path.back() == '/')
    path = path.drop_back();
  if (std::optional<Refusal> refusal = findInTheWay(path)) {
    emitError() << refusal->what << "\nhint: " << refusal->hint;
    return nullptr;
  }
  std::unique_ptr<OutputFolder> folder(new OutputFolder(path));
  folder->onInterrupt.emplace([folder = folder.get()] {
    folder->mutex.lock(); // and never again free: the process ends
    if (folder->child)
      kill(-folder->child, SIGKILL);
    folder->discard();
  });
  if (std::error_code error = folder->create()) {
    emitError() << "cannot create a folder for " << path << ": "
                << error.message() << "\nhint: choose another place with -o";
    return nullptr;
  }
  return folder;
}

/// What is being written at this moment may appear while it is removed.
void OutputFolder::discard() {
  for (int attempt = 0; !staging.empty() && attempt < 100; ++attempt) {
    std::error_code error;
    std::filesystem::remove_all(staging, error);
    if (!error)
      break;
    usleep(1000);
  }
  for (const std::string &parent : madeParents)
    rmdir(parent.c_str()); // unless somebody uses it
}

OutputFolder::~OutputFolder() {
  onInterrupt.reset();
  discard();
  if (lock >= 0)
    close(lock);
}

//===----------------------------------------------------------------------===//
// Compilers
//===----------------------------------------------------------------------===//

/// The environment with the folder's `tmp` for temporary files.
static std::vector<char *> getEnvironment() {
  static char temporary[] = "TMPDIR=tmp";
  std::vector<char *> variables = {temporary};
  for (char **variable = environ; *variable; ++variable)
    if (!StringRef(*variable).starts_with("TMPDIR="))
      variables.push_back(*variable);
  variables.push_back(nullptr);
  return variables;
}

/// Starts the program in a process group of its own, so that it can be ended
/// with all that it has started.
static int spawn(ArrayRef<StringRef> arguments, const std::string &folder,
                 const std::string &log, pid_t &child) {
  std::vector<std::string> texts;
  for (StringRef argument : arguments)
    texts.push_back(argument.str());
  std::vector<char *> argv;
  for (std::string &text : texts)
    argv.push_back(text.data());
  argv.push_back(nullptr);
  std::vector<char *> environment = getEnvironment();

  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addchdir_np(&files, folder.c_str());
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, 1, log.c_str(),
                                   O_WRONLY | O_CREAT | O_EXCL, 0666);
  posix_spawn_file_actions_adddup2(&files, 1, 2);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  int failure = posix_spawn(&child, argv[0], &files, &attributes, argv.data(),
                            environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return failure;
}

int OutputFolder::run(ArrayRef<StringRef> arguments, StringRef log,
                      std::string &error) {
  pid_t started = 0;
  {
    std::lock_guard<std::mutex> guard(mutex);
    if (int failure = spawn(arguments, staging, log.str(), started)) {
      error = std::generic_category().message(failure);
      return -1;
    }
    child = started;
  }
  // Its number stays taken until the signal's thread cannot use it any more.
  siginfo_t info;
  while (waitid(P_PID, started, &info, WEXITED | WNOWAIT) != 0 &&
         errno == EINTR)
    continue;
  std::lock_guard<std::mutex> guard(mutex);
  child = 0;
  int status = 0;
  waitpid(started, &status, 0);
  if (WIFEXITED(status))
    return WEXITSTATUS(status);
  error = std::string("ended by signal ") + strsignal(WTERMSIG(status));
  return -1;
}

//===----------------------------------------------------------------------===//
// Taking the place
//===----------------------------------------------------------------------===//

/// Puts `staging` at `path`; an older program is then at `staging`.
std::error_code OutputFolder::exchange(bool &replaced) {
  replaced = fs::exists(path);
  if (!replaced)
    return fs::rename(staging, path);
  if (renameat2(AT_FDCWD, staging.c_str(), AT_FDCWD, path.c_str(),
                RENAME_EXCHANGE) == 0)
    return {};
  if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
    return lastError();
  // This file system cannot do it in one step.
  SmallString<128> aside;
  fs::createUniquePath(path + kSuffix, aside, /*MakeAbsolute=*/false);
  if (std::error_code error = fs::rename(path, aside))
    return error;
  if (std::error_code error = fs::rename(staging, path)) {
    fs::rename(aside, path);
    return error;
  }
  staging = aside.str().str();
  return {};
}

LogicalResult OutputFolder::commit(EmitError emitError) {
  std::lock_guard<std::mutex> guard(mutex);
  // Somebody may have put something there while we compiled.
  if (std::optional<Refusal> refusal = findInTheWay(path))
    return emitError() << refusal->what << "\nhint: " << refusal->hint;
  std::error_code ignored;
  std::filesystem::remove_all(file("tmp"), ignored);
  bool replaced = false;
  if (std::error_code error = exchange(replaced))
    return emitError() << "cannot put the program in place at " << path << ": "
                       << error.message();
  std::string old = std::exchange(staging, "");
  madeParents.clear();
  if (std::error_code error = replaced ? removeProgram(old) : std::error_code())
    return emitError() << "the program is in place at " << path
                       << ", but what was there before is still in " << old
                       << ": " << error.message();
  return success();
}
