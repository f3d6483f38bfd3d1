//===- Connection.h - Messages through a socket -----------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_COMM_CONTROL_CONNECTION_H
#define FP8C_RUNTIME_COMM_CONTROL_CONNECTION_H

#include <array>
#include <asio.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

namespace fp8c::runtime::control {

/// A socket through which messages travel, each after its length. All calls
/// come from the thread that runs the socket's io_context, as do those of the
/// functions that are given.
class Connection : public std::enable_shared_from_this<Connection> {
public:
  explicit Connection(asio::ip::tcp::socket socket)
      : socket(std::move(socket)) {}

  /// `onEnd` is called once, when the other side or an error has ended it.
  using OnMessage = std::function<void(const std::string &message)>;
  using OnEnd = std::function<void(const std::string &why)>;
  void start(OnMessage message, OnEnd ending);
  void setHandlers(OnMessage message, OnEnd ending);

  void send(const std::string &message);
  /// Sends what is still to be sent, and calls nothing any more.
  void finish();
  /// Nothing is left to be sent.
  bool isIdle() const { return outgoing.empty(); }

  /// Longer messages end the connection.
  void setLongest(uint32_t bytes) { longest = bytes; }

  std::string localAddress() const;
  std::string peerAddress() const;

private:
  void receiveHead();
  void receiveBody();
  void sendNext();
  void end(const std::string &why);

  asio::ip::tcp::socket socket;
  OnMessage onMessage;
  OnEnd onEnd;
  uint32_t longest = 0;
  std::array<unsigned char, 4> head = {};
  std::string body;
  std::deque<std::string> outgoing;
  bool isOver = false, isFinishing = false;
};

/// More than anything that processes tell each other.
constexpr uint32_t longestMessage = 1u << 30;
/// Enough for who a process is, and little for a stranger.
constexpr uint32_t longestHello = 4096;

} // namespace fp8c::runtime::control

#endif // FP8C_RUNTIME_COMM_CONTROL_CONNECTION_H
