//===- ProgramFolder.cpp - Build a program folder -------------------------===//

#include "Target/Common/ProgramFolder.h"

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
    fs::createUniquePath(path + ".tmp-%%%%%%%%", unique,
                         /*MakeAbsolute=*/false);
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

static LogicalResult
writeFile(ModuleOp module, const std::string &path,
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
    return emitError(module.getLoc(), "cannot write ")
           << path << ": " << error.message();
  return success();
}

static LogicalResult copyRanges(ModuleOp module, const InitialData &data,
                                raw_ostream &os) {
  for (const TensorRange &range : data.ranges) {
    std::string bytes, error;
    if (!range.read(bytes, error))
      return emitError(module.getLoc(), "initial weights ") << error;
    os << bytes;
  }
  return success();
}

std::optional<std::string>
fp8c::target::findCompiler(StringRef name, ArrayRef<StringRef> folders) {
  auto found = llvm::sys::findProgramByName(name, folders);
  // A path is returned as it is.
  return found && fs::can_execute(*found) ? std::optional(*found)
                                          : std::nullopt;
}

LogicalResult fp8c::target::runCompiler(ModuleOp module,
                                        ArrayRef<StringRef> arguments,
                                        const std::string &log) {
  std::string error;
  std::optional<StringRef> redirects[] = {std::nullopt, StringRef(log),
                                          StringRef(log)};
  int status = llvm::sys::ExecuteAndWait(arguments.front(), arguments,
                                         std::nullopt, redirects, 0, 0, &error);
  if (status == 0) {
    fs::remove(log);
    return success();
  }
  std::string text;
  if (auto buffer = llvm::MemoryBuffer::getFile(log))
    text = (*buffer)->getBuffer().take_front(4000).str();
  return emitError(module.getLoc())
         << arguments.front() << " failed on the emitted source"
         << (error.empty() ? "" : ": " + error) << "\n"
         << text;
}

LogicalResult fp8c::target::buildProgram(ModuleOp module, StringRef path,
                                         const ProgramBuilder &builder) {
  while (path.size() > 1 && path.back() == '/')
    path = path.drop_back();
  if (fs::exists(path) && !fs::exists(path + "/manifest.json"))
    return emitError(module.getLoc(), "will not replace ")
           << path << ": it exists and is no fp8c program";
  StagedFolder folder(path);
  if (std::error_code error = folder.create())
    return emitError(module.getLoc(), "cannot create a folder for ")
           << path << ": " << error.message();
  InitialData data;
  std::string manifest =
      getManifest(module, builder.target == Target::cuda ? "cuda" : "cpu",
                  builder.gpu, data);
  std::string source = folder.file(builder.sourceName),
              library = folder.file("program.so");
  if (failed(writeFile(module, source,
                       [&](raw_ostream &os) {
                         return printSource(module, builder.target, os);
                       })) ||
      failed(writeFile(module, folder.file("program.mlir"),
                       [&](raw_ostream &os) {
                         module.print(os);
                         return success();
                       })) ||
      (!data.ranges.empty() &&
       failed(writeFile(
           module, folder.file("initial.bin"),
           [&](raw_ostream &os) { return copyRanges(module, data, os); }))) ||
      failed(builder.compile(source, library, folder.file("compiler.log"))) ||
      failed(
          writeFile(module, folder.file("manifest.json"), [&](raw_ostream &os) {
            os << manifest;
            return success();
          })))
    return failure();
  if (std::error_code error = folder.commit())
    return emitError(module.getLoc(), "cannot put the program in place at ")
           << path << ": " << error.message();
  return success();
}
