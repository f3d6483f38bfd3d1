//===- Program.cpp - A compiled program loaded from its folder ------------===//

#include "core/Program.h"

#include "core/Error.h"
#include "core/FileSystem.h"
#include "core/Text.h"

#include <dlfcn.h>
#include <filesystem>

namespace fp8c::runtime {
namespace {

constexpr const char *rebuild =
    "compile the model again with the fp8c of this installation";

void *symbol(void *library, const std::string &name, const std::string &path) {
  void *address = dlsym(library, name.c_str());
  if (!address)
    throw Error::inFile(path, "does not export " + name, rebuild);
  return address;
}

} // namespace

Program Program::open(const std::string &folder) {
  namespace fs = std::filesystem;
  std::error_code failure;
  fs::path path = fs::canonical(folder, failure);
  if (failure)
    throw Error::inFile(folder, "no such program: " + failure.message(),
                        "make one with: fp8c compile MODEL.onnx -o " + folder);
  if (!exists(path / "manifest.json"))
    throw Error::inFile(path, "not a compiled program: no manifest.json",
                        "name the .fp8x folder that fp8c compile wrote");
  Program program;
  program.theFolder = path;
  program.theManifest = Manifest::read(path / "manifest.json");
  return program;
}

void Program::loadCode() {
  // The library stays loaded until the process ends: OpenMP's worker threads
  // may still be inside its code when this object goes.
  std::string path = theFolder + "/program.so";
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    throw Error::inFile(path, concat("cannot load: ", dlerror()), rebuild);
  auto abi =
      reinterpret_cast<int (*)()>(symbol(library, "fp8c_program_abi", path));
  if (abi() != FP8C_PROGRAM_ABI)
    throw Error::inFile(path,
                        concat("built for program ABI ", abi(),
                               ", this runtime has ", FP8C_PROGRAM_ABI),
                        rebuild);
  for (const auto &entry : theManifest.functions)
    entryPoints[entry.first] = reinterpret_cast<Fp8cFunction>(
        symbol(library, "fp8c_" + entry.first, path));
}

const FunctionSpec &Program::signature(const std::string &function) const {
  auto found = theManifest.functions.find(function);
  if (found != theManifest.functions.end())
    return found->second;
  std::string known;
  for (const auto &entry : theManifest.functions)
    known += (known.empty() ? "" : ", ") + entry.first;
  throw Error::inFile(theFolder,
                      "the program has no function \"" + function + "\"",
                      "it has: " + known);
}

Fp8cFunction Program::code(const std::string &function) const {
  signature(function); // for its error
  return entryPoints.at(function);
}

} // namespace fp8c::runtime
