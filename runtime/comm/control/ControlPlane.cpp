//===- ControlPlane.cpp - A process of a job, seen from within ------------===//
//
// Every process has a connection to rank 0's server, and a thread that watches
// it: when one of the others is lost, the main thread may be in a call that
// will never return. Asio does the sockets: it is what a network library of the
// C++ standard would be, and needs nothing at run time.
//
//===----------------------------------------------------------------------===//

#include "comm/Processes.h"
#include "comm/control/Server.h"
#include "core/Error.h"
#include "core/Escape.h"
#include "core/Text.h"
#include "cpu/CpuDevice.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace fp8c::runtime::control {
namespace {

/// How often the watching thread looks.
constexpr std::chrono::milliseconds watchEvery(100);
/// How long the main thread may go on, in whatever it does, when another
/// process is lost; and rank 0 stay for others that have not ended.
constexpr std::chrono::seconds grace(3);
/// Between two tries to connect.
constexpr std::chrono::milliseconds retryAfter(100);
/// How much longer than the job's timeout a process waits for rank 0, so that
/// rank 0, which knows more, speaks first.
constexpr std::chrono::seconds patience(2);
/// A transfer may take so many times the job's timeout.
constexpr int transferFactor = 10;

const char *const hint = "see what the other processes say; a run is continued "
                         "with: fp8c-run train --resume RUN";

std::string hostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

class ControlPlane final : public Processes {
public:
  explicit ControlPlane(const Job &job);
  ~ControlPlane() override;

  std::string address() const override { return ownAddress; }
  std::string describe(int which) const override {
    return control::describe(which, all[static_cast<size_t>(which)]);
  }
  Shared share(const std::string &what, const std::string &mine) override;
  std::vector<std::string> take(Shared number) override;
  void setActivity(const std::string &now) override;
  const std::string &activity() const override { return ownActivity; }
  void setErrorFolder(const std::string &folder) override;
  void noteError(const std::string &text) override;
  void throwLost(const std::string &what) override;

private:
  void beginWaiting(const std::string &what) override;
  void endWaiting() override;

  // The main thread, before the other one runs.
  void connect();
  void sayHello();
  void waitBriefly();

  // The watching thread.
  void watch();
  void receive(const std::string &message);
  void lose(const std::string &what);
  /// Reports it and ends the process.
  [[noreturn]] void end(const std::string &what);

  /// What a call of the main thread says of what is lost; with the lock.
  std::string troubleIn(const std::string &what);
  void log(const std::string &text) const;
  void send(const ToFirst &message);

  const Job job;
  asio::io_context io;
  asio::steady_timer timer{io};
  std::optional<Server> server; ///< of rank 0
  std::shared_ptr<Connection> connection;
  std::string ownAddress, refused;
  std::vector<Process> all;
  Clock::time_point lastTick, firstHeard, nextBeat;
  Clock::duration silence = longSilence;
  std::thread thread;

  mutable std::mutex mutex; ///< of what follows
  std::condition_variable changed;
  std::map<Shared, std::vector<std::string>> gathered;
  Shared shared = 0, received = 0;
  std::vector<std::string> activities; ///< of all
  std::string ownActivity;             ///< written by the main thread alone
  std::string waitingIn;               ///< empty: it does not wait
  bool isSharing = false;              ///< it waits in take()
  std::string lastShared;
  Clock::time_point waitingSince;
  std::string trouble;     ///< who was lost, and why
  std::string thrown;      ///< what the main thread ends for
  Clock::time_point since; ///< of the first of these
  bool isLeaving = false;
  std::string errorFolder;
};

ControlPlane::ControlPlane(const Job &theJob)
    : Processes(theJob.rank, theJob.size, theJob.localRank), job(theJob) {
  if (isFirst())
    server.emplace(io, job);
  connect();
  sayHello();
  const auto onThisHost = std::count_if(
      all.begin(), all.end(),
      [own = hostName()](const Process &one) { return one.host() == own; });
  if (onThisHost == size)
    silence = shortSilence;
  // Threads that compete with those of other processes spin each other out.
  setenv("OMP_NUM_THREADS",
         std::to_string(std::max<long>(1, cpuThreads() / onThisHost)).c_str(),
         /*replace=*/0);
  lastTick = firstHeard = Clock::now();
  if (server)
    server->forgive();
  io.restart();
  watch();
  thread = std::thread([this] { io.run(); });
}

/// For the next message, in rank 0 as its server too.
void ControlPlane::waitBriefly() {
  io.restart();
  io.run_one_for(watchEvery);
  if (server)
    server->tick();
}

/// Rank 0 may come later than this one.
void ControlPlane::connect() {
  using asio::ip::tcp;
  const Clock::time_point deadline = Clock::now() + job.timeout + patience;
  tcp::resolver resolver(io);
  std::error_code error;
  while (!connection) {
    tcp::socket socket(io);
    bool isDone = false;
    const auto endpoints =
        resolver.resolve(job.host, std::to_string(job.port),
                         tcp::resolver::numeric_service, error);
    if (!error)
      asio::async_connect(socket, endpoints,
                          [&](std::error_code result, const tcp::endpoint &) {
                            error = result;
                            isDone = true;
                          });
    else
      isDone = true;
    while (!isDone && Clock::now() < deadline) {
      waitBriefly();
    }
    if (isDone && !error) {
      connection = std::make_shared<Connection>(std::move(socket));
    } else if (Clock::now() >= deadline) {
      socket.close();
      while (!isDone) { // or the function would be called later
        io.restart();
        io.run_one();
      }
      throw Error(concat("rank ", rank, " has not reached rank 0 at ", job.host,
                         ":", job.port, " within ", job.timeout.count(),
                         " s: ", error.message()),
                  "is rank 0 started, and are host and port right? See "
                  "--address and --timeout");
    } else {
      std::this_thread::sleep_for(retryAfter);
    }
  }
}

void ControlPlane::sayHello() {
  bool isOver = false;
  connection->setLongest(longestMessage);
  connection->start([this](const std::string &message) { receive(message); },
                    [this, &isOver](const std::string &why) {
                      isOver = true;
                      if (refused.empty())
                        refused = why;
                    });
  ToFirst message;
  Hello &hello = *message.mutable_hello();
  hello.set_token(job.token);
  hello.set_version(version());
  hello.set_rank(rank);
  hello.set_size(size);
  hello.mutable_process()->set_host(hostName());
  hello.mutable_process()->set_pid(getpid());
  connection->send(message.SerializeAsString());
  const Clock::time_point deadline = Clock::now() + job.timeout + patience;
  while (all.empty() && refused.empty() && !isOver && Clock::now() < deadline) {
    waitBriefly();
  }
  if (!all.empty()) {
    ownAddress = connection->localAddress();
    connection->setHandlers([this](const std::string &next) { receive(next); },
                            [this](const std::string &why) {
                              lose(concat(describe(0), " was lost: ", why));
                            });
    return;
  }
  connection->finish();
  // What is on its way to others.
  for (const Clock::time_point last = Clock::now() + grace;
       server && !server->isDone() && Clock::now() < last;) {
    waitBriefly();
  }
  throw Error(concat("rank ", rank, " of ", size,
                     " cannot take part in the "
                     "job at ",
                     job.host, ":", job.port, ": ",
                     refused.empty() ? concat("rank 0 has not answered within ",
                                              job.timeout.count(), " s")
                                     : refused),
              "start all processes of the job together, each with the same "
              "program, --address and token");
}

void ControlPlane::send(const ToFirst &message) {
  asio::post(io, [this, bytes = message.SerializeAsString()] {
    connection->send(bytes);
  });
}

Processes::Shared ControlPlane::share(const std::string &what,
                                      const std::string &mine) {
  ToFirst message;
  message.mutable_share()->set_what(what);
  message.mutable_share()->set_value(mine);
  send(message);
  std::lock_guard<std::mutex> lock(mutex);
  lastShared = what;
  return ++shared;
}

std::vector<std::string> ControlPlane::take(Shared number) {
  std::unique_lock<std::mutex> lock(mutex);
  isSharing = true;
  waitingSince = Clock::now();
  changed.wait(lock,
               [&] { return gathered.count(number) || !trouble.empty(); });
  isSharing = false;
  if (!gathered.count(number))
    throw Error(troubleIn("sharing " + lastShared), hint);
  return std::move(gathered.extract(number).mapped());
}

std::string ControlPlane::troubleIn(const std::string &what) {
  return thrown = concat(trouble, "; rank ", rank, " waited in ", what);
}

void ControlPlane::setActivity(const std::string &now) {
  std::lock_guard<std::mutex> lock(mutex);
  ownActivity = now;
}

void ControlPlane::beginWaiting(const std::string &what) {
  std::lock_guard<std::mutex> lock(mutex);
  if (!trouble.empty())
    throw Error(troubleIn(what), hint);
  waitingIn = what;
  waitingSince = Clock::now();
}

void ControlPlane::endWaiting() {
  std::lock_guard<std::mutex> lock(mutex);
  waitingIn.clear();
}

void ControlPlane::throwLost(const std::string &what) {
  std::unique_lock<std::mutex> lock(mutex);
  const std::string waited = std::exchange(waitingIn, "");
  changed.wait_for(lock, grace, [&] { return !trouble.empty(); });
  if (trouble.empty()) {
    trouble = "a transfer has failed: " + what;
    since = Clock::now();
  }
  throw Error(troubleIn(waited), hint);
}

void ControlPlane::setErrorFolder(const std::string &folder) {
  std::lock_guard<std::mutex> lock(mutex);
  errorFolder = folder;
}

/// One file a rank, so that none waits for another to write.
void ControlPlane::log(const std::string &text) const {
  struct stat status;
  if (errorFolder.empty() || stat(errorFolder.c_str(), &status) != 0)
    return;
  const std::string folder = errorFolder + "/errors";
  mkdir(folder.c_str(), 0777);
  std::ofstream file(concat(folder, "/rank-", rank, ".log"), std::ios::app);
  const std::time_t now = std::time(nullptr);
  char date[32] = {};
  std::tm utc = {};
  std::strftime(date, sizeof(date), "%FT%TZ", gmtime_r(&now, &utc));
  file << date << " " << describe(rank) << ": " << text << "\n";
}

void ControlPlane::noteError(const std::string &text) {
  ToFirst message;
  message.mutable_leave()->set_error(text.empty() ? "for an unknown reason"
                                                  : text);
  std::lock_guard<std::mutex> lock(mutex);
  log(text);
  if (!trouble.empty())
    return;
  thrown = text;
  since = Clock::now();
  send(message);
}

void ControlPlane::watch() {
  timer.expires_after(watchEvery);
  timer.async_wait([this](std::error_code error) {
    if (!error)
      watch();
  });
  const Clock::time_point now = Clock::now();
  // This process was stopped, and could hear nobody.
  if (now - lastTick > shortSilence / 2) {
    firstHeard = now;
    if (server)
      server->forgive();
  }
  lastTick = now;
  if (server)
    server->tick();

  std::unique_lock<std::mutex> lock(mutex);
  if (isLeaving)
    return;
  if (now >= nextBeat) {
    nextBeat = now + beat;
    ToFirst message;
    Beat &sign = *message.mutable_beat();
    sign.set_activity(!waitingIn.empty() ? waitingIn
                      : isSharing        ? "sharing " + lastShared
                                         : ownActivity);
    if (isSharing || !waitingIn.empty())
      sign.set_waits_seconds(
          std::chrono::duration<double>(now - waitingSince).count());
    connection->send(message.SerializeAsString());
  }
  if (trouble.empty() && now - firstHeard > silence) {
    lock.unlock();
    return lose(concat(describe(0), " was lost: ", control::describe(silence)));
  }
  const auto longest = job.timeout * transferFactor;
  if (trouble.empty() && !waitingIn.empty() && now - waitingSince > longest) {
    std::string others;
    for (int other = 0; other < size; ++other)
      if (other != rank && static_cast<size_t>(other) < activities.size())
        others += concat("; ", describe(other), " is in ",
                         activities[static_cast<size_t>(other)]);
    end(concat("rank ", rank, " has waited ", longest.count(), " s in ",
               waitingIn, others));
  }
  const bool isLate = now - since > grace;
  if (!thrown.empty() && isLate)
    end(thrown); // the main thread cannot: something waits for others
  if (!trouble.empty() && thrown.empty() && (!waitingIn.empty() || isLate))
    end(waitingIn.empty()
            ? concat(trouble, "; rank ", rank, " was in ", ownActivity)
            : troubleIn(waitingIn));
}

void ControlPlane::end(const std::string &what) {
  std::fprintf(stderr, "fp8c-run: error: %s\nhint: %s\n",
               printableMessage(what).c_str(), hint);
  log(what);
  _exit(1);
}

void ControlPlane::lose(const std::string &what) {
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (!trouble.empty() || isLeaving)
      return;
    trouble = what;
    since = Clock::now();
  }
  changed.notify_all();
}

void ControlPlane::receive(const std::string &message) {
  FromFirst said;
  if (!said.ParseFromString(message)) {
    refused = "what answers there is not fp8c";
    return lose("rank 0 has sent what is no message of fp8c");
  }
  firstHeard = Clock::now();
  switch (said.kind_case()) {
  case FromFirst::kRefused:
    refused = said.refused();
    break;
  case FromFirst::kWelcome:
    all.assign(said.welcome().processes().begin(),
               said.welcome().processes().end());
    break;
  case FromFirst::kGathered: {
    const auto &values = said.gathered().values();
    std::lock_guard<std::mutex> lock(mutex);
    gathered[++received].assign(values.begin(), values.end());
    changed.notify_all();
    break;
  }
  case FromFirst::kActivities: {
    const auto &now = said.activities().activities();
    std::lock_guard<std::mutex> lock(mutex);
    activities.assign(now.begin(), now.end());
    break;
  }
  case FromFirst::kLost:
    lose(said.lost().what());
    break;
  case FromFirst::KIND_NOT_SET:
    break;
  }
}

ControlPlane::~ControlPlane() {
  {
    std::lock_guard<std::mutex> lock(mutex);
    isLeaving = true;
  }
  if (thrown.empty() && trouble.empty()) {
    ToFirst message;
    message.mutable_leave();
    send(message);
  }
  // Until everything is sent and, in rank 0, everybody has left.
  const Clock::time_point last = Clock::now() + grace;
  auto isDone = [&] {
    std::atomic<bool> done(false), asked(false);
    asio::post(io, [&] {
      done = connection->isIdle() && (!server || server->isDone());
      asked = true;
    });
    while (!asked)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return done.load();
  };
  while (!isDone() && Clock::now() < last)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  io.stop();
  thread.join();
}

} // namespace
} // namespace fp8c::runtime::control

fp8c::runtime::Processes *fp8c_join_job(const fp8c::runtime::Job &job) {
  return new fp8c::runtime::control::ControlPlane(job);
}
