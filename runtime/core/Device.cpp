//===- Device.cpp - Where a program's memory lives and its code runs ------===//

#include "core/Device.h"

#include "core/Error.h"
#include "core/Text.h"
#include "cpu/CpuDevice.h"

#include <dlfcn.h>
#include <filesystem>

namespace fp8c::runtime {
namespace {

/// Loads the CUDA part of the runtime, for everybody: programs take their
/// library calls from it.
std::unique_ptr<Device> createCudaDevice() {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path tools =
      fs::read_symlink("/proc/self/exe", ignored).parent_path();
  std::string tried;
  for (const fs::path &folder : {tools / ".." / "lib", tools}) {
    const fs::path path = folder / "libfp8c-cuda.so";
    if (!exists(path))
      continue;
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (!library)
      throw Error(
          concat("cannot load the CUDA part of the runtime: ", dlerror()),
          "CUDA 13 with cuBLASLt and cuDNN 9 must be installed, and "
          "their folders known to ldconfig or LD_LIBRARY_PATH");
    auto create = reinterpret_cast<Device *(*)()>(
        dlsym(library, "fp8c_create_cuda_device"));
    if (!create)
      throw Error(
          concat(path.string(), " is not the CUDA part of this runtime"),
          "rebuild fp8c");
    return std::unique_ptr<Device>(create());
  }
  throw Error("the program was compiled for CUDA, and this runtime was built "
              "without it",
              "install the CUDA toolkit and rebuild fp8c, or compile the model "
              "with --target cpu");
}

} // namespace

void checkArchitecture(const std::string &gpu, int computeCapability) {
  if (gpu.empty())
    return;
  int built = 0;
  const std::string digits = gpu.rfind("sm_", 0) == 0 ? gpu.substr(3) : "";
  for (const char digit : digits)
    built = digit >= '0' && digit <= '9' ? built * 10 + digit - '0' : built;
  if (!built)
    throw Error("the program is built for \"" + gpu +
                    "\", which this runtime does not know",
                "compile it again with the fp8c of this installation");
  if (computeCapability < built)
    throw Error(concat("the program is built for ", gpu,
                       ", but this GPU has compute capability ",
                       computeCapability / 10, ".", computeCapability % 10),
                concat("compile it with --gpu sm_", computeCapability));
}

std::unique_ptr<Device> createDevice(const std::string &target) {
  if (target == "cpu")
    return createCpuDevice();
  return createCudaDevice();
}

} // namespace fp8c::runtime
