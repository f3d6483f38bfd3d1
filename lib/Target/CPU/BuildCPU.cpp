//===- BuildCPU.cpp - Build a program folder for the CPU ------------------===//

#include "Target/CPU/BuildCPU.h"

#include "Target/CPU/EmitCPU.h"
#include "Target/Common/Manifest.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::target;
namespace fs = llvm::sys::fs;

namespace {
/// A folder beside the final one that disappears unless it is committed.
class StagedFolder {
public:
  explicit StagedFolder(StringRef path) : path(path.str()) {}
  ~StagedFolder() {
    if (!staging.empty())
      fs::remove_directories(staging);
  }
  std::error_code create() {
    SmallString<128> unique;
    fs::createUniquePath(path + ".tmp-%%%%%%%%", unique, /*MakeAbsolute=*/false);
    staging = unique.str().str();
    return fs::create_directories(staging);
  }
  std::string file(StringRef name) const { return staging + "/" + name.str(); }
  std::error_code commit() {
    std::string old = staging + ".old";
    bool replaces = fs::exists(path);
    if (replaces)
      if (std::error_code error = fs::rename(path, old))
        return error;
    if (std::error_code error = fs::rename(staging, path)) {
      if (replaces)
        fs::rename(old, path);
      return error;
    }
    staging.clear();
    return replaces ? fs::remove_directories(old) : std::error_code();
  }

private:
  std::string path, staging;
};
} // namespace

static LogicalResult writeFile(ModuleOp module, const std::string &path,
                               llvm::function_ref<LogicalResult(raw_ostream &)> write) {
  std::error_code error;
  llvm::raw_fd_ostream os(path, error);
  if (!error) {
    if (failed(write(os)))
      return failure();
    os.close();
    error = os.error();
    os.clear_error();
  }
  if (error)
    return module.emitError("cannot write ") << path << ": " << error.message();
  return success();
}

static LogicalResult copyRanges(ModuleOp module, const InitialData &data, raw_ostream &os) {
  for (const InitialData::Range &range : data.ranges) {
    auto slice = llvm::MemoryBuffer::getFileSlice(range.path, range.size, range.offset);
    if (!slice)
      return module.emitError("cannot read the initial weights in ") << range.path << ": " << slice.getError().message();
    os << (*slice)->getBuffer();
  }
  return success();
}

/// Runs the host compiler; what it says goes to a log that is shown if it fails.
static LogicalResult compileHost(ModuleOp module, const StagedFolder &folder, const BuildOptions &options) {
  auto compiler = llvm::sys::findProgramByName(options.compiler);
  if (!compiler)
    return module.emitError("found no host compiler '")
           << options.compiler << "': install g++ (apt-get install g++) or name another with --host-compiler";
  std::string source = folder.file("step.cpp"), output = folder.file("program.so");
  std::string log = folder.file("compiler.log"), level = "-O" + options.optimization, include = "-I" + options.includeDir;
  // Of several OpenBLAS builds the one that shares its threads with the kernels.
  std::string rpath = ("-Wl,-rpath," + llvm::sys::path::parent_path(FP8C_OPENBLAS_LIBRARY)).str();
  // Strict IEEE arithmetic, without the traps and errno that would keep loops from being vectorised.
  SmallVector<StringRef> arguments = {*compiler, "-std=c++20", level, "-march=native", "-fopenmp",
                                      "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-DNDEBUG",
                                      "-shared", "-fPIC", include, source, "-o", output,
                                      FP8C_OPENBLAS_LIBRARY, rpath};
  std::string error;
  std::optional<StringRef> redirects[] = {std::nullopt, StringRef(log), StringRef(log)};
  int status = llvm::sys::ExecuteAndWait(*compiler, arguments, std::nullopt, redirects, 0, 0, &error);
  if (status != 0) {
    std::string text;
    if (auto buffer = llvm::MemoryBuffer::getFile(log))
      text = (*buffer)->getBuffer().take_front(4000).str();
    return module.emitError("the host compiler ")
           << *compiler << " failed on the emitted source"
           << (error.empty() ? "" : ": " + error) << "\n" << text;
  }
  fs::remove(log);
  return success();
}

LogicalResult fp8c::target::buildCPU(ModuleOp module, StringRef path, const BuildOptions &options) {
  while (path.size() > 1 && path.back() == '/')
    path = path.drop_back();
  if (fs::exists(path) && !fs::exists(path + "/manifest.json"))
    return module.emitError("will not replace ") << path << ": it exists and is no fp8c program";
  StagedFolder folder(path);
  if (std::error_code error = folder.create())
    return module.emitError("cannot create a folder for ") << path << ": " << error.message();
  InitialData data;
  std::string manifest = getManifest(module, "cpu", data);
  if (failed(writeFile(module, folder.file("step.cpp"), [&](raw_ostream &os) { return emitCPU(module, os); })) ||
      failed(writeFile(module, folder.file("program.mlir"), [&](raw_ostream &os) {
        module.print(os);
        return success();
      })) ||
      (!data.ranges.empty() &&
       failed(writeFile(module, folder.file("initial.bin"), [&](raw_ostream &os) { return copyRanges(module, data, os); }))) ||
      failed(compileHost(module, folder, options)) ||
      failed(writeFile(module, folder.file("manifest.json"), [&](raw_ostream &os) {
        os << manifest;
        return success();
      })))
    return failure();
  if (std::error_code error = folder.commit())
    return module.emitError("cannot put the program in place at ") << path << ": " << error.message();
  return success();
}
