//===- Launch.cpp - Several processes of one ------------------------------===//

#include "comm/Processes.h"
#include "comm/Rendezvous.h"
#include "core/Error.h"
#include "core/Text.h"
#include "cpu/CpuDevice.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace fp8c::runtime {
namespace {

constexpr const char *rankName = "FP8C_RANK", *sizeName = "FP8C_PROCESSES",
                     *folderName = "FP8C_RENDEZVOUS";

constexpr std::chrono::seconds grace(5);

volatile std::sig_atomic_t forwarded = 0;

/// The processes that were launched, and what has become of them.
class Children {
public:
  void add(pid_t pid) { pids.push_back(pid); }
  void signalAll(int signal) const {
    for (pid_t pid : pids)
      if (pid)
        kill(pid, signal);
  }
  /// Waits for all; returns the status of the first that failed.
  int wait();

private:
  void note(pid_t pid, int status);

  std::vector<pid_t> pids; ///< by rank; 0: has ended
  int result = 0;
};

void Children::note(pid_t pid, int status) {
  auto found = std::find(pids.begin(), pids.end(), pid);
  if (found == pids.end())
    return;
  *found = 0;
  const auto rank = found - pids.begin();
  const int code =
      WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  if (!code || result)
    return;
  result = code;
  if (WIFSIGNALED(status))
    std::fprintf(stderr,
                 "fp8c-run: error: the process of rank %td was ended "
                 "by signal %d (%s)\n",
                 rank, WTERMSIG(status), strsignal(WTERMSIG(status)));
}

int Children::wait() {
  using Clock = std::chrono::steady_clock;
  std::optional<Clock::time_point> deadline;
  while (std::any_of(pids.begin(), pids.end(), [](pid_t pid) { return pid; })) {
    if (const int signal = std::exchange(forwarded, 0))
      signalAll(signal);
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid > 0)
      note(pid, status);
    else
      usleep(10000);
    if (result && !deadline)
      deadline = Clock::now() + grace;
    if (deadline && Clock::now() > *deadline)
      signalAll(SIGKILL); // also what is stopped
  }
  return result;
}

std::string makeFolder() {
  std::error_code ignored;
  std::string path =
      (std::filesystem::temp_directory_path(ignored) / "fp8c-XXXXXX").string();
  if (!mkdtemp(path.data()))
    throw Error::inFile(path, concat("cannot make the folder in which "
                                     "processes find each other: ",
                                     std::strerror(errno)));
  return path;
}

} // namespace

std::optional<Rendezvous> Rendezvous::fromEnvironment() {
  const char *rank = std::getenv(rankName), *size = std::getenv(sizeName),
             *folder = std::getenv(folderName);
  if (!rank || !size || !folder)
    return {};
  return Rendezvous{std::atoi(rank), std::atoi(size), folder};
}

void Rendezvous::toEnvironment() const {
  setenv(rankName, std::to_string(rank).c_str(), 1);
  setenv(sizeName, std::to_string(size).c_str(), 1);
  setenv(folderName, folder.c_str(), 1);
  // Threads that compete with those of other processes spin each other out.
  setenv("OMP_NUM_THREADS",
         std::to_string(std::max(1, cpuThreads() / size)).c_str(),
         /*replace=*/0);
}

Launched launchProcesses(int count) {
  std::fflush(nullptr); // or every process writes it again
  const std::string folder = makeFolder();
  const pid_t launcher = getpid();
  Children children;
  for (int rank = 0; rank < count; ++rank) {
    const pid_t pid = fork();
    if (pid < 0) {
      const int error = errno;
      children.signalAll(SIGKILL);
      children.wait();
      throw Error(concat("cannot start process ", rank, " of ", count, ": ",
                         std::strerror(error)));
    }
    if (pid == 0) {
      // Nobody is left behind by a launcher that was killed.
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != launcher)
        _exit(1);
      // A terminal's signals come through the launcher, once.
      setpgid(0, 0);
      Rendezvous{rank, count, folder}.toEnvironment();
      return {/*isLauncher=*/false, 0};
    }
    children.add(pid);
  }
  struct sigaction action = {};
  action.sa_handler = [](int signal) { forwarded = signal; };
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  const int status = children.wait();
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  return {/*isLauncher=*/true, status};
}

} // namespace fp8c::runtime
