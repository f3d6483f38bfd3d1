//===- GlooProcesses.cpp - Processes that talk through Gloo ---------------===//

#include "comm/Processes.h"
#include "comm/Rendezvous.h"
#include "core/Error.h"
#include "core/Text.h"
#include "kernels/common/types.h"

#include <algorithm>
#include <chrono>
#include <gloo/allreduce.h>
#include <gloo/math.h>
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
  void allReduce(double *values, uint64_t count,
                 Fp8cReduction reduction) override;
  void allReduce(const Fp8cReduced &tensor, Fp8cReduction reduction) override;
  void exchange(const std::vector<Fp8cTransfer> &sends,
                const std::vector<Fp8cTransfer> &receives) override;

private:
  using Join = void (*)(void *, const void *, const void *, size_t);
  template <typename T>
  void reduce(const void *input, void *output, uint64_t count, Join join);
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

/// Joins numbers in f32 and rounds what comes out.
template <typename T, bool isSum>
void joinElements(void *result, const void *a, const void *b, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const auto at = static_cast<int64_t>(i);
    const auto left = load(static_cast<const T *>(a), at),
               right = load(static_cast<const T *>(b), at);
    store(static_cast<T *>(result), at,
          isSum ? left + right : std::max(left, right));
  }
}
template <bool isSum>
void joinDoubles(void *result, const void *a, const void *b, size_t count) {
  isSum ? gloo::sum<double>(result, a, b, count)
        : gloo::max<double>(result, a, b, count);
}

template <typename T>
void GlooProcesses::reduce(const void *input, void *output, uint64_t count,
                           Join join) {
  if (count == 0)
    return;
  guard([&] {
    gloo::AllreduceOptions options(context);
    options.setInput(static_cast<T *>(const_cast<void *>(input)), count);
    options.setOutput(static_cast<T *>(output), count);
    options.setReduceFunction(join);
    gloo::allreduce(options);
  });
}

void GlooProcesses::allReduce(double *values, uint64_t count,
                              Fp8cReduction reduction) {
  reduce<double>(values, values, count,
                 reduction == Fp8cReduction_sum ? joinDoubles<true>
                                                : joinDoubles<false>);
}

void GlooProcesses::allReduce(const Fp8cReduced &tensor,
                              Fp8cReduction reduction) {
  auto as = [&](auto element) {
    using T = decltype(element);
    reduce<T>(tensor.input, tensor.output, tensor.count,
              reduction == Fp8cReduction_sum ? joinElements<T, true>
                                             : joinElements<T, false>);
  };
  switch (tensor.element) {
  case Fp8cElement_float:
    return as(float());
  case Fp8cElement_bf16:
    return as(bf16());
  case Fp8cElement_f16:
    return as(f16());
  }
}

void GlooProcesses::exchange(const std::vector<Fp8cTransfer> &sends,
                             const std::vector<Fp8cTransfer> &receives) {
  guard([&] {
    // Slots tell the transfers between two processes apart: the same numbers
    // on both sides, and above those of Gloo's own collectives.
    const uint64_t first = uint64_t(1) << 60 |
                           uint64_t(static_cast<uint32_t>(context->nextSlot()))
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
