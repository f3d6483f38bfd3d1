//===- FileSystem.cpp - Questions about files, answered or thrown ---------===//

#include "core/FileSystem.h"

#include "core/Error.h"

#include <filesystem>

namespace fp8c::runtime {
namespace {

namespace fs = std::filesystem;

void check(const std::error_code &failure, const std::string &path) {
  if (failure)
    throw Error::inFile(path, "cannot read: " + failure.message());
}

} // namespace

bool exists(const std::string &path) {
  std::error_code failure;
  bool found = fs::exists(path, failure);
  check(failure, path);
  return found;
}

std::vector<std::string> namesIn(const std::string &folder) {
  std::vector<std::string> names;
  if (!exists(folder))
    return names;
  std::error_code failure;
  fs::directory_iterator entry(folder, failure);
  for (; !failure && entry != fs::directory_iterator();
       entry.increment(failure))
    names.push_back(entry->path().filename());
  check(failure, folder);
  return names;
}

std::string absolutePath(const std::string &path) {
  if (path.empty())
    return path;
  std::error_code failure;
  fs::path result = fs::absolute(path, failure);
  check(failure, path);
  return result.lexically_normal();
}

} // namespace fp8c::runtime
