//===- GlooProcesses.cpp - Processes that talk through Gloo ---------------===//

#include "comm/Processes.h"
#include "comm/Rendezvous.h"
#include "core/Error.h"
#include "core/Text.h"

#include <chrono>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>
#include <gloo/transport/unbound_buffer.h>

namespace fp8c::runtime {
namespace {

/// How long a process waits for the others.
constexpr std::chrono::seconds timeout(120);

class GlooProcesses final : public Processes {
public:
  explicit GlooProcesses(const Rendezvous &meeting);
  void exchange(const std::vector<Fp8cTransfer> &sends,
                const std::vector<Fp8cTransfer> &receives) override;

private:
  /// Calls what may throw Gloo's exceptions.
  template <typename Function> void guard(Function function) const;

  std::shared_ptr<gloo::rendezvous::Context> context;
};

template <typename Function>
void GlooProcesses::guard(Function function) const {
  try {
    function();
  } catch (const std::exception &error) {
    throw Error(concat("rank ", rank, " of ", size,
                       " has lost another process: ", error.what()),
                "see what the other processes say; then continue with "
                "fp8c-run train --resume");
  }
}

GlooProcesses::GlooProcesses(const Rendezvous &meeting)
    : Processes(meeting.rank, meeting.size),
      context(std::make_shared<gloo::rendezvous::Context>(rank, size)) {
  guard([&] {
    gloo::transport::tcp::attr attr;
    attr.hostname = "127.0.0.1"; // processes of one machine
    gloo::rendezvous::FileStore store(meeting.folder);
    auto device = gloo::transport::tcp::CreateDevice(attr);
    context->setTimeout(timeout);
    context->connectFullMesh(store, device);
  });
}

void GlooProcesses::exchange(const std::vector<Fp8cTransfer> &sends,
                             const std::vector<Fp8cTransfer> &receives) {
  guard([&] {
    // Slots tell the transfers between two processes apart: the same numbers
    // on both sides, and above those of Gloo's own collectives.
    const uint64_t first =
        uint64_t(1) << 60 | uint64_t(static_cast<uint32_t>(context->nextSlot()))
                                << 24;
    std::vector<std::unique_ptr<gloo::transport::UnboundBuffer>> buffers;
    auto start = [&](const std::vector<Fp8cTransfer> &transfers, bool send) {
      std::vector<uint64_t> next(static_cast<size_t>(size), first);
      for (const Fp8cTransfer &transfer : transfers) {
        buffers.push_back(
            context->createUnboundBuffer(transfer.data, transfer.bytes));
        const uint64_t slot = next[static_cast<size_t>(transfer.peer)]++;
        if (send)
          buffers.back()->send(transfer.peer, slot);
        else
          buffers.back()->recv(transfer.peer, slot);
      }
    };
    start(receives, /*send=*/false);
    start(sends, /*send=*/true);
    for (size_t i = 0; i < buffers.size(); ++i)
      if (i < receives.size())
        buffers[i]->waitRecv(timeout);
      else
        buffers[i]->waitSend(timeout);
  });
}

} // namespace
} // namespace fp8c::runtime

extern "C" fp8c::runtime::Processes *
fp8c_join_processes(const fp8c::runtime::Rendezvous &meeting) {
  return new fp8c::runtime::GlooProcesses(meeting);
}
