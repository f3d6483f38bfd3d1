//===- Server.cpp - What rank 0 does for the others of its job ------------===//

#include "comm/control/Server.h"

#include "core/Error.h"
#include "core/Text.h"

#include <algorithm>

namespace fp8c::runtime::control {
namespace {

/// Strangers that may be connected at once, besides the job's own.
constexpr size_t mostStrangers = 64;
/// How long one may be connected and not say who it is.
constexpr std::chrono::seconds mostPatience(5);

/// Takes as long for a wrong token as for another.
bool isSameToken(const std::string &given, const std::string &expected) {
  unsigned differences = given.size() == expected.size() ? 0 : 1;
  for (size_t i = 0; i < given.size() && i < expected.size(); ++i)
    differences |= static_cast<unsigned char>(given[i] ^ expected[i]);
  return differences == 0;
}

asio::ip::tcp::acceptor listenAt(asio::io_context &io, const Job &job) {
  using asio::ip::tcp;
  if (job.listener >= 0)
    return tcp::acceptor(io, tcp::v4(), job.listener);
  // Others see this machine under an address that its name need not have here.
  const bool isLocal = job.host == "localhost" || job.host == "::1" ||
                       job.host.rfind("127.", 0) == 0;
  tcp::endpoint endpoint(
      isLocal ? asio::ip::address(asio::ip::address_v4::loopback())
              : asio::ip::address(asio::ip::address_v6()),
      static_cast<unsigned short>(job.port));
  if (job.host == "::1")
    endpoint.address(asio::ip::address_v6::loopback());
  std::error_code error;
  tcp::acceptor acceptor(io);
  acceptor.open(endpoint.protocol(), error);
  if (error && !isLocal) { // no IPv6 here
    endpoint.address(asio::ip::address_v4());
    acceptor.open(endpoint.protocol(), error);
  }
  if (!error && endpoint.protocol() == tcp::v6())
    acceptor.set_option(asio::ip::v6_only(false), error);
  if (!error)
    acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error)
    acceptor.bind(endpoint, error);
  if (!error)
    acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error)
    throw Error(concat("rank 0 cannot listen at ", job.host, ":", job.port,
                       ": ", error.message()),
                "give another port: --address HOST:PORT, or FP8C_ADDRESS");
  return acceptor;
}

} // namespace

std::string version() { return "fp8c control 1"; }

std::string describe(int rank, const Process &process) {
  return concat("rank ", rank, " (host ", process.host(), ", process ",
                process.pid(), ")");
}

std::string describe(Clock::duration silence) {
  return concat(
      "it has not been heard of for ",
      std::chrono::duration_cast<std::chrono::seconds>(silence).count(),
      " s: it was stopped, or its machine cannot be reached");
}

Server::Server(asio::io_context &io, const Job &job)
    : io(io), job(job), acceptor(listenAt(io, job)),
      members(static_cast<size_t>(job.size)),
      deadline(Clock::now() + job.timeout) {
  accept();
}

void Server::accept() {
  acceptor.async_accept([this](std::error_code error,
                               asio::ip::tcp::socket socket) {
    if (!acceptor.is_open())
      return;
    if (!error && strangers.size() < mostStrangers) {
      auto stranger = std::make_shared<Connection>(std::move(socket));
      strangers.emplace(stranger, Clock::now() + mostPatience);
      stranger->setLongest(longestHello);
      std::weak_ptr<Connection> weak = stranger;
      stranger->start(
          [this, weak](const std::string &message) {
            if (auto one = weak.lock())
              greet(one, message);
          },
          [this, weak](const std::string &) { strangers.erase(weak.lock()); });
    }
    accept();
  });
}

void Server::greet(const std::shared_ptr<Connection> &stranger,
                   const std::string &message) {
  ToFirst said;
  const bool isHello = said.ParseFromString(message) && said.has_hello();
  const Hello &hello = said.hello();
  const std::string why =
      isHello ? refusal(hello) : "what it sends is no message of fp8c";
  strangers.erase(stranger);
  if (!why.empty()) {
    lastRefusal =
        concat("; one from ", stranger->peerAddress(), " was refused: ", why);
    refuse(stranger, why);
    // One of the job's own: it will not come another time. A job that has begun
    // does without it.
    if (!hasBegun && isHello && isSameToken(hello.token(), job.token))
      refuseAll(concat(describe(hello.rank(), hello.process()),
                       " was refused: ", why));
    return;
  }
  const int rank = hello.rank();
  Member &member = members[static_cast<size_t>(rank)];
  member.connection = stranger;
  member.who = hello.process();
  member.heard = Clock::now();
  stranger->setLongest(longestMessage);
  stranger->setHandlers(
      [this, rank](const std::string &next) { receive(rank, next); },
      [this, rank](const std::string &reason) { lose(rank, reason); });
  if (std::all_of(members.begin(), members.end(),
                  [](const Member &one) { return one.connection; }))
    begin();
}

std::string Server::refusal(const Hello &hello) const {
  if (!isSameToken(hello.token(), job.token))
    return "its token is not the job's";
  if (hello.version() != version())
    return "it is of another version of fp8c";
  if (hello.size() != job.size)
    return concat("it was started as one of ", hello.size(),
                  ", rank 0 as one of ", job.size);
  if (hello.rank() < 0 || hello.rank() >= job.size)
    return concat("there is no rank ", hello.rank());
  const Member &member = members[static_cast<size_t>(hello.rank())];
  if (member.connection)
    return concat("rank ", hello.rank(), " is here already, on host ",
                  member.who.host(), " as process ", member.who.pid());
  return whyNobody; // it may come after those who were told
}

void Server::refuse(const std::shared_ptr<Connection> &connection,
                    const std::string &why) {
  FromFirst message;
  message.set_refused(why);
  connection->send(message.SerializeAsString());
  connection->finish();
}

void Server::refuseAll(const std::string &why) {
  if (!std::exchange(hasFailed, true))
    whyNobody = why;
  for (Member &member : members)
    if (member.connection && !std::exchange(member.hasLeft, true))
      refuse(member.connection, why);
}

void Server::begin() {
  hasBegun = true;
  FromFirst message;
  bool isOneHost = true;
  for (const Member &member : members) {
    *message.mutable_welcome()->add_processes() = member.who;
    isOneHost &= member.who.host() == members.front().who.host();
  }
  if (isOneHost)
    silence = shortSilence;
  tellAll(message);
}

void Server::receive(int rank, const std::string &message) {
  Member &member = members[static_cast<size_t>(rank)];
  ToFirst said;
  if (!said.ParseFromString(message))
    return lose(rank, "it has sent what is no message of fp8c");
  member.heard = Clock::now();
  switch (said.kind_case()) {
  case ToFirst::kBeat:
    member.beat = said.beat();
    break;
  case ToFirst::kShare:
    member.shares.push_back(said.share());
    gather();
    break;
  case ToFirst::kLeave:
    if (!said.leave().error().empty())
      lose(rank, concat("it has failed: ", said.leave().error()));
    member.hasLeft = true;
    break;
  case ToFirst::kHello:
  case ToFirst::KIND_NOT_SET:
    break;
  }
}

void Server::gather() {
  for (size_t rank = 0; rank < members.size(); ++rank)
    if (members[rank].shares.empty())
      return members[rank].hasLeft
                 ? loseAnyway(static_cast<int>(rank), "it has ended")
                 : void();
  const Share &first = members.front().shares.front();
  FromFirst message;
  int differs = -1;
  for (size_t rank = 0; rank < members.size(); ++rank) {
    const Share &share = members[rank].shares.front();
    message.mutable_gathered()->add_values(share.value());
    if (share.what() != first.what())
      differs = static_cast<int>(rank);
  }
  if (differs >= 0)
    return lose(
        differs,
        concat("it has come to share its ",
               members[static_cast<size_t>(differs)].shares.front().what(),
               " when rank 0 shares its ", first.what()));
  for (Member &member : members)
    member.shares.pop_front();
  tellAll(message);
}

void Server::lose(int rank, const std::string &why) {
  if (!members[static_cast<size_t>(rank)].hasLeft)
    loseAnyway(rank, why);
}

/// It is told too, if it can hear: it may have been stopped, and go on.
void Server::loseAnyway(int rank, const std::string &why) {
  if (hasBegun)
    tellLoss(concat(describeMember(rank), " was lost: ", why));
  else
    refuseAll(
        concat(describeMember(rank), " was lost before all had come: ", why));
  members[static_cast<size_t>(rank)].hasLeft = true;
}

void Server::tellLoss(const std::string &what) {
  if (std::exchange(hasFailed, true))
    return;
  FromFirst message;
  message.mutable_lost()->set_what(what);
  tellAll(message);
}

bool Server::isStuck() const {
  return std::all_of(members.begin(), members.end(), [&](const Member &member) {
    return member.beat.waits_seconds() >
           static_cast<double>(job.timeout.count());
  });
}

/// Rank 0 is told last: it may end then, and this with it.
void Server::tellAll(const FromFirst &message) {
  const std::string bytes = message.SerializeAsString();
  for (auto member = members.rbegin(); member != members.rend(); ++member)
    if (!member->hasLeft)
      member->connection->send(bytes);
}

void Server::tick() {
  const Clock::time_point now = Clock::now();
  for (auto stranger = strangers.begin(); stranger != strangers.end();)
    if (now < stranger->second) {
      ++stranger;
    } else {
      stranger->first->finish();
      stranger = strangers.erase(stranger);
    }
  if (hasFailed)
    return;
  if (!hasBegun) {
    if (now < deadline)
      return;
    std::string missing;
    int count = 0;
    for (size_t rank = 0; rank < members.size(); ++rank)
      if (!members[rank].connection && count++ < 8)
        missing += concat(missing.empty() ? "" : ", ", rank);
    return refuseAll(concat("of ", job.size, " processes ", count,
                            count == 1 ? " has" : " have", " not come within ",
                            job.timeout.count(), " s: rank ", missing,
                            count > 8 ? ", …" : "", lastRefusal));
  }
  for (size_t rank = 0; rank < members.size(); ++rank)
    if (!members[rank].hasLeft && now - members[rank].heard > silence)
      return lose(static_cast<int>(rank), describe(silence));
  if (isStuck()) {
    std::string what =
        concat("all processes wait for each other for more than ",
               job.timeout.count(), " s (--timeout)");
    for (int rank = 0; rank < job.size; ++rank)
      what += concat(rank ? ", " : ": ", describeMember(rank), " in ",
                     members[static_cast<size_t>(rank)].beat.activity());
    return tellLoss(what);
  }
  if (now < nextBeat)
    return;
  nextBeat = now + beat;
  FromFirst message;
  for (const Member &member : members)
    message.mutable_activities()->add_activities(member.beat.activity());
  tellAll(message);
}

void Server::forgive() {
  for (Member &member : members)
    member.heard = Clock::now();
}

bool Server::isDone() const {
  return std::all_of(members.begin(), members.end(), [](const Member &member) {
    return !member.connection ||
           (member.hasLeft && member.connection->isIdle());
  });
}

} // namespace fp8c::runtime::control
