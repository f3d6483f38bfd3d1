//===- Replaceable.cpp - Whether a program may take a place ---------------===//

#include "Target/Common/Replaceable.h"

#include "core/Checksum.h"
#include "core/Json.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <filesystem>

using namespace fp8c;
using namespace fp8c::target;
using llvm::StringRef;
using Json = runtime::OrderedJson;
namespace fs = llvm::sys::fs;

/// Everything that a program folder may hold.
static constexpr llvm::StringLiteral kFiles[] = {
    "manifest.json", "step.cpp",     "step.cu",
    "program.so",    "program.mlir", "initial.bin"};

/// What is there besides while it is made.
static constexpr llvm::StringLiteral kLog = "compiler.log", kTemporary = "tmp";

static fs::file_type getType(const llvm::Twine &path) {
  fs::file_status status;
  fs::status(path, status, /*follow=*/false);
  return status.type();
}

/// Names in a folder, sorted.
static std::vector<std::string> getNames(StringRef folder,
                                         std::error_code &error) {
  std::vector<std::string> names;
  for (fs::directory_iterator it(folder, error, /*follow_symlinks=*/false), end;
       it != end && !error; it.increment(error))
    names.push_back(llvm::sys::path::filename(it->path()).str());
  llvm::sort(names);
  return names;
}

static bool isProgramFile(StringRef folder, StringRef name) {
  return llvm::is_contained(kFiles, name) &&
         getType(folder + "/" + name) == fs::file_type::regular_file;
}

/// The manifest that fp8c wrote into the folder; null if there is none.
static Json readOurManifest(StringRef folder) {
  if (!isProgramFile(folder, "manifest.json"))
    return nullptr;
  auto buffer = llvm::MemoryBuffer::getFile(folder + "/manifest.json");
  if (!buffer)
    return nullptr;
  StringRef text = (*buffer)->getBuffer();
  std::optional<Json> parsed = runtime::tryParseJson(text.begin(), text.end());
  if (!parsed)
    return nullptr;
  Json &manifest = *parsed;
  auto is = [&](const char *key, Json::value_t type) {
    return manifest.contains(key) && manifest[key].type() == type;
  };
  using Type = Json::value_t;
  bool isOurs = manifest.is_object() && is("compiler", Type::string) &&
                StringRef(manifest["compiler"].get_ref<std::string &>())
                    .starts_with("fp8c ") &&
                is("fingerprint", Type::string) &&
                is("variables", Type::array) && is("functions", Type::object);
  return isOurs ? std::move(manifest) : Json();
}

/// Of what people edit, what is not as it was written; empty if nothing.
static std::string findChanged(StringRef folder, const Json &manifest) {
  for (StringRef name : {"step.cpp", "step.cu", "program.mlir"}) {
    auto pointer = Json::json_pointer("/files/" + name.str() + "/checksum");
    auto buffer = llvm::MemoryBuffer::getFile(folder + "/" + name);
    if (manifest.contains(pointer) && buffer &&
        manifest[pointer] != runtime::checksumOf((*buffer)->getBufferStart(),
                                                 (*buffer)->getBufferSize()))
      return name.str();
  }
  return "";
}

/// "a, b, c and 2 more".
static std::string listNames(llvm::ArrayRef<std::string> names) {
  std::string text = llvm::join(names.take_front(3), ", ");
  if (names.size() > 3)
    text += " and " + std::to_string(names.size() - 3) + " more";
  return text;
}

static std::optional<Refusal> findInFolder(StringRef path) {
  const std::string other = "choose another place with -o";
  const std::string none =
      "will not replace " + path.str() + ": it exists and is no fp8c program";
  std::error_code error;
  std::vector<std::string> names = getNames(path, error);
  if (error)
    return Refusal{none + ": " + error.message(), other};
  Json manifest = readOurManifest(path);
  if (manifest.is_null())
    return Refusal{none + (names.empty() ? ": it is an empty folder"
                                         : ": it holds " + listNames(names)),
                   other};
  llvm::erase_if(names, [&](const std::string &name) {
    return isProgramFile(path, name);
  });
  if (!names.empty())
    return Refusal{"will not replace " + path.str() +
                       ": beside the program it holds " + listNames(names),
                   "move that away, or " + other};
  std::string changed = findChanged(path, manifest);
  if (!changed.empty())
    return Refusal{"will not replace " + path.str() + ": its " + changed +
                       " was changed since fp8c wrote it",
                   "move it away, or " + other};
  return std::nullopt;
}

std::optional<Refusal> fp8c::target::findInTheWay(StringRef path) {
  const std::string other = "choose another place with -o";
  StringRef last = llvm::sys::path::filename(path);
  if (last == "." || last == ".." || last == "/")
    return Refusal{"cannot put a program at " + path.str() +
                       ": it is no name for a new folder",
                   "name one with -o"};
  switch (getType(path)) {
  case fs::file_type::file_not_found:
  case fs::file_type::status_error: // making a folder there will tell
    return std::nullopt;
  case fs::file_type::directory_file:
    return findInFolder(path);
  case fs::file_type::symlink_file:
    return Refusal{"will not replace " + path.str() + ": it is a link",
                   "name the place that it leads to, or remove the link"};
  default:
    return Refusal{"will not replace " + path.str() +
                       ": it exists and is no fp8c program, nor a folder",
                   other};
  }
}

bool fp8c::target::holdsOnlyProgramFiles(StringRef folder) {
  std::error_code error;
  return llvm::all_of(getNames(folder, error),
                      [&](StringRef name) {
                        return isProgramFile(folder, name) || name == kLog ||
                               name == kTemporary;
                      }) &&
         !error &&
         (getType(folder + "/manifest.json") == fs::file_type::file_not_found ||
          !readOurManifest(folder).is_null());
}

std::error_code fp8c::target::removeProgram(StringRef folder) {
  std::error_code ignored;
  std::filesystem::remove_all((folder + "/" + kTemporary).str(), ignored);
  fs::remove(folder + "/" + kLog);
  for (StringRef name : kFiles)
    if (isProgramFile(folder, name))
      fs::remove(folder + "/" + name);
  return fs::remove(folder);
}
