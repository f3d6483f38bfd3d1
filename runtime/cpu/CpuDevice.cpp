//===- CpuDevice.cpp - Running programs on the host's processors ----------===//

#include "cpu/CpuDevice.h"

#include "comm/Collectives.h"
#include "core/Error.h"
#include "core/Text.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

namespace fp8c::runtime {
namespace {

/// The CPUs that a container's quota amounts to, or a large number. OpenMP
/// does not look at quotas; more threads than it allows are slower than fewer.
int quotaCpus() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  double quota = 0, period = 0;
  if (file >> quota >> period && quota > 0 && period > 0)
    return std::max(1, static_cast<int>(std::ceil(quota / period)));
  return 1 << 20; // no file, or "max"
}

class CpuDevice final : public Device {
public:
  CpuDevice() : threads(cpuThreads()) {
    setenv("OMP_NUM_THREADS", std::to_string(threads).c_str(), /*replace=*/0);
    // Threads that wait for each other spin, by default for milliseconds: on a
    // machine with other work that keeps the awaited thread from running, and
    // steps take many times as long. Some 5 µs bridge the gaps between kernels.
    // Two threads, GPT of 4 x 128, ms a step: idle 43 without spinning, 30 with
    // 1000 and with 10000; beside two busy loops 332, 241 and 212. 100 steps
    // at a load of 8: 3, 5 and 19 s.
    if (!std::getenv("OMP_WAIT_POLICY"))
      setenv("GOMP_SPINCOUNT", "1000", /*replace=*/0);
  }

  ~CpuDevice() override {
    for (const Block &block : blocks)
      munmap(block.base, block.bytes);
  }

  unsigned char *allocate(uint64_t bytes, const std::string &what) override;

  void upload(unsigned char *destination, const void *source,
              uint64_t bytes) override {
    std::memcpy(destination, source, bytes);
  }
  void download(void *destination, const unsigned char *source,
                uint64_t bytes) override {
    std::memcpy(destination, source, bytes);
  }
  void fill(unsigned char *destination, unsigned char value,
            uint64_t bytes) override {
    std::memset(destination, value, bytes);
  }
  void run(const std::string &, Fp8cFunction function, const FunctionSpec &,
           const Fp8cCall &call, size_t) override {
    Fp8cCall joined = call;
    if (collectives)
      joined.device = const_cast<Fp8cCollectives *>(collectives->forPrograms());
    function(&joined);
  }
  void join(Processes &others) override;
  uint64_t sentBytes() const override {
    return collectives ? collectives->sentBytes() : 0;
  }
  void setProfiling(bool) override {
    throw Error("only programs for CUDA can be profiled",
                "compile with --target cuda, or use perf: the functions of "
                "program.so are named after the program's");
  }
  std::vector<OpTime> takeProfile() override { return {}; }
  std::string describe() const override {
    return concat("CPU, ", threads, threads == 1 ? " thread" : " threads");
  }

private:
  struct Block {
    void *base;
    uint64_t bytes;
  };
  int threads;
  std::vector<Block> blocks;
  std::unique_ptr<Collectives> collectives; ///< null: this one is alone
};

unsigned char *CpuDevice::allocate(uint64_t bytes, const std::string &what) {
  uint64_t present = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                     static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  // Linux would promise more than there is and kill the process later.
  void *base = MAP_FAILED;
  uint64_t mapped = std::max<uint64_t>(bytes, 1);
  if (bytes <= present)
    base = mmap(nullptr, mapped, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED)
    throw Error(concat("not enough memory for ", what, ": ", bytesText(bytes),
                       " needed, the machine has ", bytesText(present)),
                "compile with a smaller batch or sequence length");
  // Large pages spare page faults and TLB misses. Only advice: may be refused.
  madvise(base, mapped, MADV_HUGEPAGE);
  blocks.push_back({base, mapped});
  return static_cast<unsigned char *>(base);
}

void CpuDevice::join(Processes &others) {
  if (others.size == 1) {
    collectives = std::make_unique<LoneCollectives>(others);
    return;
  }
  auto joinCPUs = reinterpret_cast<JoinCPUs *>(loadPart(
      "libfp8c-gloo.so", "fp8c_join_cpus",
      {"the part of the runtime for several CPU processes",
       "libgloo0 must be installed", "install libgloo-dev and rebuild fp8c"}));
  collectives.reset(joinCPUs(others));
}

} // namespace

int cpuThreads() {
  if (const char *asked = std::getenv("OMP_NUM_THREADS"))
    if (int count = std::atoi(asked); count > 0)
      return count;
  cpu_set_t set;
  int allowed = 1;
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    allowed = CPU_COUNT(&set);
  else if (long online = sysconf(_SC_NPROCESSORS_ONLN); online > 0)
    allowed = static_cast<int>(online); // more processors than cpu_set_t holds
  return std::min(allowed, quotaCpus());
}

std::unique_ptr<Device> createCpuDevice() {
  return std::make_unique<CpuDevice>();
}

} // namespace fp8c::runtime
