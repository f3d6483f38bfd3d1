//===- Connection.cpp - Messages through a socket -------------------------===//

#include "comm/control/Connection.h"

#include <utility>

namespace fp8c::runtime::control {

void Connection::setHandlers(OnMessage message, OnEnd ending) {
  onMessage = std::move(message);
  onEnd = std::move(ending);
}

void Connection::start(OnMessage message, OnEnd ending) {
  setHandlers(std::move(message), std::move(ending));
  std::error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  receiveHead();
}

void Connection::receiveHead() {
  asio::async_read(socket, asio::buffer(head),
                   [self = shared_from_this()](std::error_code error, size_t) {
                     if (error)
                       return self->end(error == asio::error::eof
                                            ? "it has closed its connection"
                                            : error.message());
                     self->receiveBody();
                   });
}

void Connection::receiveBody() {
  const uint32_t bytes = uint32_t(head[0]) | uint32_t(head[1]) << 8 |
                         uint32_t(head[2]) << 16 | uint32_t(head[3]) << 24;
  if (bytes > longest)
    return end("what it sends is no message of fp8c");
  body.resize(bytes);
  asio::async_read(socket, asio::buffer(body),
                   [self = shared_from_this()](std::error_code error, size_t) {
                     if (error)
                       return self->end(error.message());
                     if (!self->isFinishing) {
                       const OnMessage handler = self->onMessage; // may be set
                       handler(self->body);
                     }
                     if (!self->isOver)
                       self->receiveHead();
                   });
}

void Connection::send(const std::string &message) {
  if (isOver)
    return;
  const auto bytes = static_cast<uint32_t>(message.size());
  std::string framed;
  framed.reserve(message.size() + 4);
  for (int shift = 0; shift < 32; shift += 8)
    framed += static_cast<char>(bytes >> shift & 0xff);
  framed += message;
  outgoing.push_back(std::move(framed));
  if (outgoing.size() == 1)
    sendNext();
}

void Connection::sendNext() {
  asio::async_write(socket, asio::buffer(outgoing.front()),
                    [self = shared_from_this()](std::error_code error, size_t) {
                      if (error) {
                        self->outgoing.clear();
                        return self->end(error.message());
                      }
                      self->outgoing.pop_front();
                      if (!self->outgoing.empty())
                        self->sendNext();
                      else if (self->isFinishing)
                        self->end("");
                    });
}

void Connection::finish() {
  isFinishing = true;
  if (outgoing.empty())
    end("");
}

void Connection::end(const std::string &why) {
  if (std::exchange(isOver, true))
    return;
  std::error_code ignored;
  socket.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket.close(ignored);
  if (!isFinishing)
    onEnd(why);
}

static std::string text(const asio::ip::tcp::endpoint &endpoint) {
  return endpoint.address().to_string();
}

std::string Connection::localAddress() const {
  std::error_code ignored;
  return text(socket.local_endpoint(ignored));
}

std::string Connection::peerAddress() const {
  std::error_code ignored;
  return text(socket.remote_endpoint(ignored));
}

} // namespace fp8c::runtime::control
