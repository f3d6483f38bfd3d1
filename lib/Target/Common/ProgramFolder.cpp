//===- ProgramFolder.cpp - Build a program folder -------------------------===//

#include "Target/Common/ProgramFolder.h"

#include "Target/Common/Manifest.h"
#include "core/Checksum.h"
#include "core/DataType.h"
#include "core/Seal.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

using namespace mlir;
using namespace fp8c;
using namespace fp8c::target;
namespace fs = llvm::sys::fs;
using Json = runtime::OrderedJson;

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

/// Writes elements of a float type as f32, rounded to nearest even.
static void writeAsF32(Type type, StringRef bytes, raw_ostream &os) {
  std::vector<float> values(bytes.size() / (type.getIntOrFloatBitWidth() / 8));
  for (auto [i, value] : llvm::enumerate(values)) {
    if (type.isF64()) {
      double wide;
      std::memcpy(&wide, bytes.data() + i * sizeof(wide), sizeof(wide));
      value = static_cast<float>(wide);
    } else {
      auto narrow =
          type.isF16() ? runtime::DataType::F16 : runtime::DataType::BF16;
      value = static_cast<float>(
          runtime::loadElement(narrow, bytes.data() + i * sizeof(uint16_t)));
    }
  }
  os.write(reinterpret_cast<const char *>(values.data()),
           values.size() * sizeof(float));
}

static LogicalResult copyRanges(ModuleOp module, const InitialData &data,
                                raw_ostream &os) {
  for (const InitialData::Range &range : data.ranges) {
    const bool converts = isa<FloatType>(range.type) && !range.type.isF32();
    std::string error;
    auto write = [&](const char *part, size_t size) {
      if (converts)
        writeAsF32(range.type, {part, size}, os);
      else
        os.write(part, size);
      return true;
    };
    if (!range.values.empty())
      os << range.values;
    else if (!range.stream(write, error))
      return emitError(module.getLoc(), "initial weights ") << error;
  }
  return success();
}

std::optional<std::string>
fp8c::target::findCompiler(StringRef name, ArrayRef<StringRef> folders) {
  auto found = llvm::sys::findProgramByName(name, folders);
  // A path is returned as it is.
  if (!found || !fs::can_execute(*found))
    return std::nullopt;
  SmallString<128> path(*found);
  fs::make_absolute(path);
  return path.str().str();
}

LogicalResult fp8c::target::runCompiler(ModuleOp module, OutputFolder &folder,
                                        ArrayRef<StringRef> arguments) {
  constexpr StringLiteral log = "compiler.log";
  std::string error;
  int status = folder.run(arguments, log, error);
  std::string text;
  if (auto buffer = llvm::MemoryBuffer::getFile(folder.file(log)))
    text = (*buffer)->getBuffer().take_front(4000).str();
  fs::remove(folder.file(log));
  if (status == 0)
    return success();
  return emitError(module.getLoc())
         << arguments.front() << " failed on the emitted source of "
         << folder.place() << (error.empty() ? "" : ": " + error) << "\n"
         << text;
}

/// Size and checksum of a file that was written.
static LogicalResult describeFile(ModuleOp module, OutputFolder &folder,
                                  StringRef name, Json &files) {
  auto buffer = llvm::MemoryBuffer::getFile(folder.file(name), /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return emitError(module.getLoc(), "cannot read ")
           << folder.file(name) << ": " << buffer.getError().message();
  size_t bytes = (*buffer)->getBufferSize();
  files[name.str()] = {
      {"bytes", bytes},
      {"checksum", runtime::checksumOf((*buffer)->getBufferStart(), bytes)}};
  return success();
}

LogicalResult fp8c::target::buildProgram(ModuleOp module, OutputFolder &folder,
                                         const ProgramBuilder &builder) {
  InitialData data;
  exec::TargetAttr target = getTargetAttr(module);
  Json manifest =
      getManifest(module, target.getBackend(), target.getArchitecture(), data);
  auto write = [&](StringRef name,
                   llvm::function_ref<LogicalResult(raw_ostream &)> print) {
    return writeFile(module, folder.file(name), print);
  };
  std::vector<StringRef> names = {builder.sourceName, "program.mlir",
                                  "program.so"};
  if (!data.ranges.empty())
    names.push_back("initial.bin");
  if (failed(write(builder.sourceName,
                   [&](raw_ostream &os) { return printSource(module, os); })) ||
      failed(write("program.mlir",
                   [&](raw_ostream &os) {
                     module.print(os);
                     return success();
                   })) ||
      (!data.ranges.empty() && failed(write("initial.bin",
                                            [&](raw_ostream &os) {
                                              return copyRanges(module, data,
                                                                os);
                                            }))) ||
      failed(builder.compile(builder.sourceName, "program.so")))
    return failure();
  for (StringRef name : names)
    if (failed(describeFile(module, folder, name, manifest["files"])))
      return failure();
  if (failed(write("manifest.json", [&](raw_ostream &os) {
        os << runtime::seal(runtime::jsonText(manifest, 1));
        return success();
      })))
    return failure();
  return folder.commit([&] { return emitError(module.getLoc()); });
}
