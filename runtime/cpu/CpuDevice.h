//===- CpuDevice.h - Running programs on the host's processors --*- C++ -*-===//

#ifndef FP8C_RUNTIME_CPU_CPUDEVICE_H
#define FP8C_RUNTIME_CPU_CPUDEVICE_H

#include "core/Device.h"

namespace fp8c::runtime {

/// Threads that programs will use: OMP_NUM_THREADS if it is set, else the
/// processors this process may run on, or its cgroup's CPU quota if smaller.
int cpuThreads();

/// The host as a device. Sets OMP_NUM_THREADS and GOMP_SPINCOUNT, unless they
/// are set, for the libraries that programs bring along, so it has to be
/// created before a program is loaded.
std::unique_ptr<Device> createCpuDevice();

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CPU_CPUDEVICE_H
