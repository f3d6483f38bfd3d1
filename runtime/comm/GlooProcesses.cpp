//===- GlooProcesses.cpp - Processes that talk through Gloo ---------------===//

#include "comm/Processes.h"
#include "comm/Rendezvous.h"
#include "core/Error.h"
#include "core/Text.h"

#include <chrono>
#include <gloo/allreduce.h>
#include <gloo/math.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>

namespace fp8c::runtime {
namespace {

/// How long a process waits for the others.
constexpr std::chrono::seconds timeout(120);

class GlooProcesses final : public Processes {
public:
  explicit GlooProcesses(const Rendezvous &meeting);
  void allReduce(const float *input, float *output, uint64_t count,
                 Fp8cReduction reduction) override {
    reduce(input, output, count, reduction);
  }
  void allReduce(const double *input, double *output, uint64_t count,
                 Fp8cReduction reduction) override {
    reduce(input, output, count, reduction);
  }

private:
  template <typename T>
  void reduce(const T *input, T *output, uint64_t count,
              Fp8cReduction reduction);
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

template <typename T>
void GlooProcesses::reduce(const T *input, T *output, uint64_t count,
                           Fp8cReduction reduction) {
  if (count == 0)
    return;
  guard([&] {
    gloo::AllreduceOptions options(context);
    options.setInput(const_cast<T *>(input), count);
    options.setOutput(output, count);
    using Join = void (*)(void *, const void *, const void *, size_t);
    const Join sum = &gloo::sum<T>, max = &gloo::max<T>;
    options.setReduceFunction(reduction == Fp8cReduction_sum ? sum : max);
    gloo::allreduce(options);
  });
}

} // namespace
} // namespace fp8c::runtime

extern "C" fp8c::runtime::Processes *
fp8c_join_processes(const fp8c::runtime::Rendezvous &meeting) {
  return new fp8c::runtime::GlooProcesses(meeting);
}
