//===- Device.cpp - Where a program's memory lives and its code runs ------===//

#include "core/Device.h"

#include "core/Error.h"
#include "core/Text.h"
#include "cpu/CpuDevice.h"

#include <dlfcn.h>
#include <filesystem>

namespace fp8c::runtime {

void *loadPart(const char *file, const char *symbol, const RuntimePart &part) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const fs::path tools =
      fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const fs::path &folder : {tools / ".." / "lib", tools}) {
    const fs::path path = folder / file;
    if (!exists(path))
      continue;
    // For everybody: programs take their library calls from it.
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (!library)
      throw Error(concat("cannot load ", part.name, ": ", dlerror()),
                  part.needs);
    void *function = dlsym(library, symbol);
    if (!function)
      throw Error(concat(path.string(), " is not ", part.name), "rebuild fp8c");
    return function;
  }
  throw Error(concat("this runtime was built without ", part.name),
              part.without);
}

static std::unique_ptr<Device> createCudaDevice(int localRank) {
  auto create = reinterpret_cast<Device *(*)(int)>(loadPart(
      "libfp8c-cuda.so", "fp8c_create_cuda_device",
      {"the CUDA part of the runtime",
       "CUDA 13 with cuBLASLt and cuDNN 9 must be installed, and "
       "their folders known to ldconfig or LD_LIBRARY_PATH",
       "install the CUDA toolkit and rebuild fp8c, or compile the model with "
       "--target cpu"}));
  return std::unique_ptr<Device>(create(localRank));
}

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

std::unique_ptr<Device> createDevice(const std::string &target, int localRank) {
  if (target == "cpu")
    return createCpuDevice();
  return createCudaDevice(localRank);
}

} // namespace fp8c::runtime
