//===- GlooCollectives.cpp - CPUs that talk through Gloo ------------------===//

#include "comm/Collectives.h"
#include "core/Error.h"
#include "core/Text.h"

#include <chrono>
#include <csignal>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/store.h>
#include <gloo/transport/tcp/device.h>
#include <gloo/transport/unbound_buffer.h>
#include <map>

namespace fp8c::runtime {
namespace {

/// Longer than any wait that Processes::Waiting allows.
constexpr std::chrono::hours forever(24 * 365);

/// Every process puts as many texts there as any other, under names of its own:
/// all of them learn each one at once.
class Store final : public gloo::rendezvous::Store {
public:
  explicit Store(Processes &processes) : processes(processes) {}

  void set(const std::string &key, const std::vector<char> &data) override {
    const std::vector<std::string> keys = processes.gather("keys", key),
                                   values = processes.gather(
                                       "addresses", {data.begin(), data.end()});
    for (size_t i = 0; i < keys.size(); ++i)
      texts[keys[i]] = {values[i].begin(), values[i].end()};
  }
  std::vector<char> get(const std::string &key) override {
    return texts.at(key);
  }
  void wait(const std::vector<std::string> &keys) override {
    for (const std::string &key : keys)
      texts.at(key);
  }

private:
  Processes &processes;
  std::map<std::string, std::vector<char>> texts;
};

class GlooCollectives final : public Collectives {
public:
  explicit GlooCollectives(Processes &processes);

private:
  void exchange(const Fp8cTransfer *sends, int sendCount,
                const Fp8cTransfer *receives, int receiveCount, bool stays,
                void *stream) override;
  /// Calls what may throw Gloo's exceptions.
  template <typename Function> void guard(Function function);

  std::shared_ptr<gloo::rendezvous::Context> context;
  std::string activity;   ///< of the last exchange
  uint64_t exchanges = 0; ///< in it
};

template <typename Function> void GlooCollectives::guard(Function function) {
  try {
    function();
  } catch (const Error &) {
    throw;
  } catch (const std::exception &error) {
    processes.throwLost(error.what());
  }
}

GlooCollectives::GlooCollectives(Processes &others)
    : Collectives(others), context(std::make_shared<gloo::rendezvous::Context>(
                               others.rank, others.size)) {
  // Gloo writes to sockets whose other side may be gone.
  std::signal(SIGPIPE, SIG_IGN);
  guard([&] {
    gloo::transport::tcp::attr attr;
    attr.hostname = processes.address();
    Store store(processes);
    auto device = gloo::transport::tcp::CreateDevice(attr);
    context->setTimeout(forever);
    context->connectFullMesh(store, device);
  });
}

void GlooCollectives::exchange(const Fp8cTransfer *sends, int sendCount,
                               const Fp8cTransfer *receives, int receiveCount,
                               bool, void *) {
  if (activity != processes.activity())
    activity = processes.activity(), exchanges = 0;
  Processes::Waiting waiting(
      processes, concat("exchange ", ++exchanges, " of ", activity));
  guard([&] {
    // Slots tell the transfers between two processes apart: the same numbers
    // on both sides, and above those of Gloo's own collectives.
    const uint64_t first =
        uint64_t(1) << 60 | uint64_t(static_cast<uint32_t>(context->nextSlot()))
                                << 24;
    std::vector<std::unique_ptr<gloo::transport::UnboundBuffer>> buffers;
    auto start = [&](const Fp8cTransfer *transfers, int count, bool send) {
      std::vector<uint64_t> next(static_cast<size_t>(processes.size), first);
      for (int i = 0; i < count; ++i) {
        const Fp8cTransfer &transfer = transfers[i];
        buffers.push_back(
            context->createUnboundBuffer(transfer.data, transfer.bytes));
        const uint64_t slot = next[static_cast<size_t>(transfer.peer)]++;
        if (send)
          buffers.back()->send(transfer.peer, slot);
        else
          buffers.back()->recv(transfer.peer, slot);
      }
    };
    start(receives, receiveCount, /*send=*/false);
    start(sends, sendCount, /*send=*/true);
    for (size_t i = 0; i < buffers.size(); ++i)
      if (i < static_cast<size_t>(receiveCount))
        buffers[i]->waitRecv(forever);
      else
        buffers[i]->waitSend(forever);
  });
}

} // namespace
} // namespace fp8c::runtime

fp8c::runtime::Collectives *
fp8c_join_cpus(fp8c::runtime::Processes &processes) {
  return new fp8c::runtime::GlooCollectives(processes);
}
