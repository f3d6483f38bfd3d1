//===- Processes.cpp - Those that run a program together ------------------===//

#include "comm/Processes.h"

#include "comm/Rendezvous.h"
#include "core/Device.h"
#include "core/Error.h"
#include "core/Text.h"

#include <algorithm>
#include <cassert>
#include <numeric>

namespace fp8c::runtime {
namespace {

class Alone final : public Processes {
public:
  Alone() : Processes(0, 1) {}
  void exchange(const std::vector<Fp8cTransfer> &sends,
                const std::vector<Fp8cTransfer> &receives) override {
    assert(sends.empty() && receives.empty() && "there is nobody else");
    (void)sends, (void)receives;
  }
};

} // namespace

Processes::Processes(int theRank, int theSize)
    : rank(theRank), size(theSize), table() {
  table.self = this;
  table.rank = rank;
  table.size = size;
  table.exchange = [](void *self, const Fp8cTransfer *sends, int sendCount,
                      const Fp8cTransfer *receives, int receiveCount, void *) {
    auto &processes = *static_cast<Processes *>(self);
    processes.sent += bytesOf(sends, sendCount);
    processes.exchange({sends, sends + sendCount},
                       {receives, receives + receiveCount});
  };
}

void Processes::gatherBytes(void *all, uint64_t bytes) {
  auto of = [&](int process) {
    return static_cast<unsigned char *>(all) +
           bytes * static_cast<uint64_t>(process);
  };
  std::vector<Fp8cTransfer> sends, receives;
  for (int peer = 0; peer < size; ++peer)
    if (peer != rank) {
      sends.push_back({peer, of(rank), nullptr, bytes});
      receives.push_back({peer, of(peer), nullptr, bytes});
    }
  exchange(sends, receives);
}

double Processes::sum(double value) {
  const std::vector<double> all = gather(value);
  return std::accumulate(all.begin(), all.end(), 0.0);
}

double Processes::max(double value) {
  const std::vector<double> all = gather(value);
  return *std::max_element(all.begin(), all.end());
}

std::string Processes::broadcast(const std::string &text) {
  std::string result = text;
  auto send = [&](void *data, uint64_t bytes) {
    std::vector<Fp8cTransfer> sends, receives;
    for (int peer = 1; isFirst() && peer < size; ++peer)
      sends.push_back({peer, data, nullptr, bytes});
    if (!isFirst())
      receives.push_back({0, data, nullptr, bytes});
    exchange(sends, receives);
  };
  uint64_t bytes = result.size();
  send(&bytes, sizeof(bytes));
  result.resize(bytes);
  if (bytes)
    send(result.data(), bytes);
  return result;
}

int localRank() {
  const std::optional<Rendezvous> meeting = Rendezvous::fromEnvironment();
  return meeting ? meeting->rank : 0;
}

bool isFirstProcess() {
  const std::optional<Rendezvous> meeting = Rendezvous::fromEnvironment();
  return !meeting || meeting->rank == 0;
}

std::unique_ptr<Processes> joinProcesses(int64_t size) {
  const std::optional<Rendezvous> meeting = Rendezvous::fromEnvironment();
  const int64_t launched = meeting ? meeting->size : 1;
  if (launched != size)
    throw Error(concat("the program is compiled for ", size,
                       size == 1 ? " process" : " processes", ", but ",
                       launched, launched == 1 ? " runs it" : " run it"),
                concat("give --nproc ", size,
                       ", or compile it with --parallel dp=", launched));
  if (!meeting)
    return std::make_unique<Alone>();
  auto join = reinterpret_cast<Processes *(*)(const Rendezvous &)>(loadPart(
      "libfp8c-gloo.so", "fp8c_join_processes",
      {"the part of the runtime for several processes",
       "libgloo0 must be installed", "install libgloo-dev and rebuild fp8c"}));
  return std::unique_ptr<Processes>(join(*meeting));
}

} // namespace fp8c::runtime
