//===- Device.h - Where a program's memory lives and its code runs -*- C++ -*-//

#ifndef FP8C_RUNTIME_CORE_DEVICE_H
#define FP8C_RUNTIME_CORE_DEVICE_H

#include "core/ProgramABI.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace fp8c::runtime {

struct FunctionSpec;
class Processes;

/// How long an op of a program took.
struct OpTime {
  std::string function, op; ///< names as in the program's source
  double startMs, ms;       ///< from the start of the function
  bool beside = false;      ///< while other ops ran: see exec.async_begin
};

/// One device of one process. Pointers from allocate() are device addresses:
/// only upload(), download() and programs may look behind them.
class Device {
public:
  virtual ~Device() = default;

  /// `bytes` zeroed bytes, aligned to at least 64, freed with the device.
  /// `what` names them in the error if there is not enough memory.
  virtual unsigned char *allocate(uint64_t bytes, const std::string &what) = 0;

  virtual void upload(unsigned char *destination, const void *source,
                      uint64_t bytes) = 0;
  virtual void download(void *destination, const unsigned char *source,
                        uint64_t bytes) = 0;

  /// Sets `bytes` bytes to `value`.
  virtual void fill(unsigned char *destination, unsigned char value,
                    uint64_t bytes) = 0;

  /// Calls a program function and waits until its outputs are there. The
  /// call's inputs, outputs and `hyperCount` hyper values are in host memory.
  virtual void run(const std::string &name, Fp8cFunction function,
                   const FunctionSpec &signature, const Fp8cCall &call,
                   size_t hyperCount) = 0;

  /// From now on run() notes how long each op takes (on), or does not (off).
  /// Throws Error, whichever is asked for, where the device cannot tell.
  virtual void setProfiling(bool on) = 0;

  /// What run() noted since it was last asked, in order.
  virtual std::vector<OpTime> takeProfile() = 0;

  /// Bytes of the device's memory that became used since just before this
  /// object allocated anything, by the device's own account: so whatever else
  /// allocates on it counts too, but not what a process needs to use it at all.
  /// Nothing where the device cannot tell.
  virtual std::optional<uint64_t> measuredBytes() const { return {}; }

  /// Takes the choices that a run stored in `path` for its library calls, as
  /// far as this device makes any, and stores there what it chooses from now
  /// on: they decide the last bits. Returns what the user should know, or "".
  /// Throws Error if the file cannot be written.
  virtual std::string keepPlans(const std::string &path) {
    (void)path;
    return "";
  }

  /// Takes those choices, as keepPlans(), and stores nothing there: the run's
  /// weights are used, it does not go on.
  virtual std::string preferPlans(const std::string &path) {
    (void)path;
    return "";
  }

  /// From now on libraries compute in the first way that they propose, not in
  /// the fastest, which another program of the same products may not find. To
  /// be called before anything runs.
  virtual void chooseAlike() {}

  /// Gives programs with a grid the others that run them, which must outlive
  /// this object, once all memory is allocated. Throws Error if the devices do
  /// not find each other.
  virtual void join(Processes &others) = 0;

  /// Bytes that programs have sent to other processes.
  virtual uint64_t sentBytes() const = 0;

  /// One line for the start-up table: "CPU, 2 threads".
  virtual std::string describe() const = 0;

  /// Of a GPU, times ten: 90 for 9.0; else 0.
  virtual int computeCapability() const { return 0; }
};

/// A library of the runtime that not every program needs, in words.
struct RuntimePart {
  const char *name;    ///< "the CUDA part of the runtime"
  const char *needs;   ///< what to do if it cannot be loaded
  const char *without; ///< what to do if it was not built
};
/// A function of such a library, which lies beside the tools or in ../lib.
/// Throws Error if there is none.
void *loadPart(const char *file, const char *symbol, const RuntimePart &part);

/// Throws Error if a program built for `gpu`, as "sm_90" or empty, cannot run
/// on a device of this compute capability (times ten): newer GPUs run code for
/// older ones, not the reverse.
void checkArchitecture(const std::string &gpu, int computeCapability);

/// The device that a manifest's "target" asks for, "cpu" or "cuda", for the
/// process that is number `localRank` of those on this machine. Throws
/// Error if this runtime was built without it, or the machine has none. Must be
/// called before the program is loaded: thread counts are fixed when the
/// program's libraries start.
std::unique_ptr<Device> createDevice(const std::string &target, int localRank);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_DEVICE_H
