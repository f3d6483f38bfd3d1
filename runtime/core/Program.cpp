//===- Program.cpp - A compiled program loaded from its folder ------------===//

#include "core/Program.h"

#include "core/Error.h"
#include "core/FileSystem.h"
#include "core/Text.h"

#include <algorithm>
#include <cstdio>
#include <dlfcn.h>
#include <filesystem>

namespace fp8c::runtime {
namespace {

constexpr const char *rebuild =
    "compile the model again with the fp8c of this installation";

void printNote(const std::string &note) {
  if (!note.empty())
    std::fprintf(stderr, "note: %s\n", note.c_str());
}

std::vector<std::string> linesOf(const std::string &text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);)
    lines.push_back(line);
  return lines;
}

void *symbol(void *library, const std::string &name, const std::string &path) {
  void *address = dlsym(library, name.c_str());
  if (!address)
    throw Error::inFile(path, "does not export " + name, rebuild);
  return address;
}

} // namespace

Program Program::open(const std::string &folder, Checks checks) {
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
  program.checks = checks;
  program.theManifest = Manifest::read(path / "manifest.json", checks);
  printNote(program.theManifest.note.empty()
                ? ""
                : program.theManifest.note + " (" + program.theFolder + ")");
  return program;
}

void Program::verify(const MappedFile &file, const std::string &name,
                     std::optional<Verification> &verification) const {
  auto found = theManifest.files.find(name);
  if (checks == Checks::On && found != theManifest.files.end())
    verification.emplace(file, found->second.bytes, found->second.checksum,
                         changedHint);
}

std::unique_ptr<Program::InitialData> Program::openInitialData() const {
  auto data = std::make_unique<InitialData>();
  data->file = MappedFile(theFolder + "/initial.bin");
  verify(data->file, "initial.bin", data->verification);
  return data;
}

void Program::checkContract(void *library, const std::string &path) const {
  auto contract = reinterpret_cast<const char *(*)()>(
      dlsym(library, "fp8c_program_contract"));
  if (!contract) {
    if (theManifest.files.empty())
      return; // older programs have none
    throw Error::inFile(path, "does not export fp8c_program_contract", rebuild);
  }
  const std::vector<std::string> code = linesOf(contract()),
                                 manifest = linesOf(theManifest.contract);
  for (size_t i = 0; i < std::max(code.size(), manifest.size()); ++i) {
    const std::string its = i < code.size() ? code[i] : "nothing",
                      ours = i < manifest.size() ? manifest[i] : "nothing";
    if (its == ours)
      continue;
    const std::string what = concat("is of another manifest: it says ", its,
                                    ", manifest.json says ", ours);
    // Names and initial values may be edited; sizes and places may not.
    if (checks == Checks::On || ours.rfind("fingerprint ", 0) != 0)
      throw Error::inFile(path, what, rebuild);
    printNote(what + " (" + path + ")");
  }
}

void Program::loadCode() {
  // The library stays loaded until the process ends: OpenMP's worker threads
  // may still be inside its code when this object goes.
  std::string path = theFolder + "/program.so";
  const MappedFile file(path); // or throws: no file that can be loaded
  std::optional<Verification> verification;
  verify(file, "program.so", verification);
  if (verification)
    verification->finish(); // before any of it runs
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
  checkContract(library, path);
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
