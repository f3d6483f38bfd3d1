//===- Processes.cpp - Those that run a program together ------------------===//

#include "comm/Processes.h"

#include "core/Device.h"
#include "core/Error.h"
#include "core/Text.h"

#include <map>
#include <sstream>
#include <utility>

namespace fp8c::runtime {
namespace {

class Alone final : public Processes {
public:
  Alone() : Processes(0, 1, 0) {}
  std::string address() const override { return ""; }
  std::string describe(int) const override { return "this process"; }
  Shared share(const std::string &, const std::string &mine) override {
    shared[++count] = mine;
    return count;
  }
  std::vector<std::string> take(Shared number) override {
    return {std::move(shared.extract(number).mapped())};
  }
  void setActivity(const std::string &) override {}
  const std::string &activity() const override { return nothing; }
  void setErrorFolder(const std::string &) override {}
  void noteError(const std::string &) override {}
  void throwLost(const std::string &what) override { throw Error(what); }

private:
  void beginWaiting(const std::string &) override {}
  void endWaiting() override {}

  const std::string nothing;
  std::map<Shared, std::string> shared;
  Shared count = 0;
};

/// The first lines in which two texts differ.
std::pair<std::string, std::string> differingLines(const std::string &one,
                                                   const std::string &two) {
  std::istringstream ones(one), twos(two);
  std::string a, b;
  do {
    a.clear(), b.clear();
    std::getline(ones, a);
    std::getline(twos, b);
  } while (a == b && ones && twos);
  return {a, b};
}

} // namespace

std::string Processes::broadcast(const std::string &what,
                                 const std::string &text) {
  return gather(what, isFirst() ? text : "").front();
}

void Processes::expectSame(const std::string &what, const std::string &mine,
                           const std::string &hint) {
  const std::vector<std::string> all = gather(what, mine);
  for (size_t other = 1; other < all.size(); ++other)
    if (all[other] != all.front()) {
      const auto [its, first] = differingLines(all[other], all.front());
      throw Error(concat(describe(static_cast<int>(other)), " has other ", what,
                         " than ", describe(0), ": ", its, ", not ", first),
                  hint);
    }
}

std::unique_ptr<Processes> joinProcesses(int64_t size) {
  const Job &job = currentJob();
  if (job.size != size)
    throw Error(concat("the program is compiled for ", size,
                       size == 1 ? " process" : " processes", ", but ",
                       job.size, job.size == 1 ? " runs it" : " run it"),
                concat("start ", size, " (--nproc ", size,
                       "), or compile it with --parallel dp=", job.size));
  if (size == 1)
    return std::make_unique<Alone>();
  auto join = reinterpret_cast<JoinJob *>(
      loadPart("libfp8c-control.so", "fp8c_join_job",
               {"the part of the runtime for several processes",
                "libprotobuf-lite32 must be installed",
                "install libasio-dev and libprotobuf-dev, and rebuild fp8c"}));
  return std::unique_ptr<Processes>(join(job));
}

} // namespace fp8c::runtime
