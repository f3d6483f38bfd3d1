//===- TemporaryFolder.h - A test's own folder ------------------*- C++ -*-===//

#ifndef FP8C_TEST_UNIT_MODELS_TEMPORARYFOLDER_H
#define FP8C_TEST_UNIT_MODELS_TEMPORARYFOLDER_H

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>

namespace fp8c {

/// A fixture with an empty folder, gone after the test.
class TemporaryFolder : public testing::Test {
protected:
  TemporaryFolder() {
    std::string pattern = testing::TempDir() + "fp8c-XXXXXX";
    folder = mkdtemp(pattern.data());
  }
  ~TemporaryFolder() override { std::filesystem::remove_all(folder); }

  std::string in(const std::string &name) const { return folder / name; }

  std::string write(const std::string &name, const std::string &bytes) const {
    std::ofstream(in(name), std::ios::binary) << bytes;
    return in(name);
  }

  static std::string read(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::filesystem::path folder;
};

} // namespace fp8c

#endif // FP8C_TEST_UNIT_MODELS_TEMPORARYFOLDER_H
