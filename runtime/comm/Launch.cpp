//===- Launch.cpp - Several processes of one ------------------------------===//

#include "comm/Job.h"
#include "core/Error.h"
#include "core/Interrupt.h"
#include "core/Text.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <netinet/in.h>
#include <optional>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace fp8c::runtime {
namespace {

/// How long the others may take to notice that one has failed, and to report
/// it.
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

[[noreturn]] void fail(const char *what) {
  throw Error(concat("cannot ", what, ": ", std::strerror(errno)));
}

/// The job's processes meet at a socket that nobody else can take before them.
void listenOnThisMachine(Job &job) {
  job.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto *generic = reinterpret_cast<sockaddr *>(&address);
  if (job.listener < 0 || bind(job.listener, generic, size) != 0 ||
      listen(job.listener, SOMAXCONN) != 0 ||
      getsockname(job.listener, generic, &size) != 0)
    fail("make the socket at which processes meet");
  job.host = "127.0.0.1";
  job.port = ntohs(address.sin_port);
}

std::string makeToken() {
  unsigned char bytes[16];
  if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
    fail("draw random bytes");
  std::string token;
  for (const unsigned char byte : bytes)
    for (const int digit : {byte >> 4, byte & 15})
      token += "0123456789abcdef"[digit];
  return token;
}

} // namespace

Launched launchProcesses(int count, std::chrono::seconds timeout) {
  std::fflush(nullptr); // or every process writes it again
  Job job;
  job.size = count;
  job.timeout = timeout;
  job.token = makeToken();
  listenOnThisMachine(job);
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
      job.rank = job.localRank = rank;
      if (rank != 0) {
        close(job.listener);
        job.listener = -1;
      }
      setCurrentJob(std::move(job));
      return {/*isLauncher=*/false, 0};
    }
    children.add(pid);
  }
  struct sigaction action = {};
  action.sa_handler = [](int signal) { forwarded = signal; };
  sigemptyset(&action.sa_mask);
  for (int signal : endingSignals())
    sigaction(signal, &action, nullptr);
  sigaction(SIGUSR2, &action, nullptr);
  close(job.listener);
  return {/*isLauncher=*/true, children.wait()};
}

} // namespace fp8c::runtime
