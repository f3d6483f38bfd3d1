//===- ServerTest.cpp - Whoever comes to a job is answered ----------------===//

#include "comm/control/Server.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace fp8c::runtime;
using namespace fp8c::runtime::control;

namespace {

constexpr const char *token = "0123456789abcdef";

/// A server, and processes that come to it one by one.
class ServerTest : public testing::Test {
protected:
  ServerTest() {
    job.size = 2;
    job.host = "127.0.0.1";
    job.token = token;
    asio::ip::tcp::acceptor any(io, {asio::ip::address_v4::loopback(), 0});
    job.port = any.local_endpoint().port();
  }

  struct Client {
    std::shared_ptr<Connection> connection;
    FromFirst heard;
  };

  std::shared_ptr<Client> come(int rank, int size) {
    asio::ip::tcp::socket socket(io);
    socket.connect({asio::ip::address_v4::loopback(),
                    static_cast<unsigned short>(job.port)});
    auto client = std::make_shared<Client>();
    client->connection = std::make_shared<Connection>(std::move(socket));
    client->connection->setLongest(longestMessage);
    client->connection->start(
        [client](const std::string &message) {
          client->heard.ParseFromString(message);
        },
        [](const std::string &) {});
    ToFirst message;
    Hello &hello = *message.mutable_hello();
    hello.set_token(token);
    hello.set_version(version());
    hello.set_rank(rank);
    hello.set_size(size);
    client->connection->send(message.SerializeAsString());
    run();
    return client;
  }

  /// Until nothing is on its way any more: both sides are this thread.
  void run() {
    io.restart();
    while (io.run_one_for(std::chrono::milliseconds(20))) {
    }
  }

  static testing::AssertionResult hasHeard(const Client &client,
                                           const std::string &why) {
    const std::string &refused = client.heard.refused();
    if (refused.find(why) != std::string::npos)
      return testing::AssertionSuccess();
    return testing::AssertionFailure() << '"' << refused << '"';
  }

  asio::io_context io;
  Job job;
};

/// By the order in which ranks come.
class ServerOrderTest : public ServerTest,
                        public testing::WithParamInterface<std::vector<int>> {};

// Rank 0 connects to its own server: another process may be there before it.
TEST_P(ServerOrderTest, AllHearOfARefusal) {
  const int sizes[] = {2, 2, 3}; // by rank; rank 2 was started as one of three
  Server server(io, job);
  std::vector<std::shared_ptr<Client>> clients(3);
  for (int rank : GetParam())
    clients[static_cast<size_t>(rank)] = come(rank, sizes[rank]);
  // Two of the right size begin, and the third is a stranger to them.
  const bool begins = GetParam().back() == 2;
  for (const auto &client : clients)
    if (begins && client != clients[2])
      EXPECT_TRUE(client->heard.has_welcome());
    else
      EXPECT_TRUE(hasHeard(*client, "one of 3, rank 0 as one of 2"));
}

INSTANTIATE_TEST_SUITE_P(
    Orders, ServerOrderTest,
    testing::Values(std::vector<int>{0, 1, 2}, std::vector<int>{0, 2, 1},
                    std::vector<int>{1, 0, 2}, std::vector<int>{1, 2, 0},
                    std::vector<int>{2, 0, 1}, std::vector<int>{2, 1, 0}));

TEST_F(ServerTest, WhoComesAfterOneWasLostHearsOfIt) {
  job.size = 3;
  Server server(io, job);
  const auto first = come(1, 3);
  first->connection->finish();
  run();
  EXPECT_TRUE(hasHeard(*come(0, 3), "was lost before all had come"));
}

TEST_F(ServerTest, WhoComesTooLateHearsWhoWasMissing) {
  job.timeout = std::chrono::seconds(0);
  Server server(io, job);
  server.tick();
  EXPECT_TRUE(hasHeard(*come(1, 2), "2 have not come within 0 s"));
}

} // namespace
