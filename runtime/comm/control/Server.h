//===- Server.h - What rank 0 does for the others of its job ----*- C++ -*-===//

#ifndef FP8C_RUNTIME_COMM_CONTROL_SERVER_H
#define FP8C_RUNTIME_COMM_CONTROL_SERVER_H

#include "comm/Job.h"
#include "comm/control/Connection.h"
#include "comm/control/control.pb.h"

#include <chrono>
#include <map>
#include <vector>

namespace fp8c::runtime::control {

using Clock = std::chrono::steady_clock;

/// How often a process shows that it lives.
constexpr std::chrono::milliseconds beat(500);
/// How long one may be silent: on one machine, and in a network.
constexpr std::chrono::seconds shortSilence(4), longSilence(20);

/// What processes of other versions cannot take part in.
std::string version();

/// "rank 2 (host gpu4, process 4711)"
std::string describe(int rank, const Process &process);
/// "it has not been heard of for 4 s: …"
std::string describe(Clock::duration silence);

/// Lets the processes of a job come, gives each what all have shared, and tells
/// them who is lost. Lives on the thread that runs the io_context.
class Server {
public:
  /// Listens. Throws Error if it cannot.
  Server(asio::io_context &io, const Job &job);

  /// To be called several times in a second: looks for who is silent.
  void tick();
  /// Whoever was silent until now had no chance to be heard.
  void forgive();
  /// Every process has left, or is lost.
  bool isDone() const;

private:
  /// A process that has come, by its rank.
  struct Member {
    std::shared_ptr<Connection> connection;
    Process who;
    Clock::time_point heard;
    Beat beat;
    std::deque<Share> shares; ///< what it has shared, and not all others yet
    bool hasLeft = false;
  };

  void accept();
  void greet(const std::shared_ptr<Connection> &stranger,
             const std::string &message);
  /// Why it cannot take part; "": it can.
  std::string refusal(const Hello &hello) const;
  void refuse(const std::shared_ptr<Connection> &connection,
              const std::string &why);
  void refuseAll(const std::string &why);
  void begin();
  void receive(int rank, const std::string &message);
  void gather();
  std::string describeMember(int rank) const {
    return describe(rank, members[static_cast<size_t>(rank)].who);
  }
  /// All wait for each other, and nothing has come for the job's timeout.
  bool isStuck() const;
  /// It is lost, unless it has left.
  void lose(int rank, const std::string &why);
  void loseAnyway(int rank, const std::string &why);
  void tellLoss(const std::string &what);
  void tellAll(const FromFirst &message);

  asio::io_context &io;
  const Job &job;
  asio::ip::tcp::acceptor acceptor;
  /// Until when each may say who it is.
  std::map<std::shared_ptr<Connection>, Clock::time_point> strangers;
  std::vector<Member> members;
  std::string lastRefusal;
  const Clock::time_point deadline;
  Clock::time_point nextBeat;
  Clock::duration silence = longSilence;
  bool hasBegun = false, hasFailed = false;
  std::string whyNobody; ///< what refuseAll() has told
};

} // namespace fp8c::runtime::control

#endif // FP8C_RUNTIME_COMM_CONTROL_SERVER_H
