//===- Device.cpp - Where a program's memory lives and its code runs ------===//

#include "core/Device.h"

#include "core/Error.h"
#include "cpu/CpuDevice.h"

namespace fp8c::runtime {

std::unique_ptr<Device> createDevice(const std::string &target) {
  if (target == "cpu")
    return createCpuDevice();
  throw Error("the program was compiled for \"" + target +
                  "\", which this runtime was built without",
              "compile it with --target cpu, or rebuild fp8c-run");
}

} // namespace fp8c::runtime
