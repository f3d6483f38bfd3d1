//===- TestFiles.h - Files for one test and errors to expect ----*- C++ -*-===//

#ifndef FP8C_TEST_UNIT_RUNTIME_TESTFILES_H
#define FP8C_TEST_UNIT_RUNTIME_TESTFILES_H

#include "core/Error.h"

#include "gtest/gtest.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace fp8c::runtime {

/// A folder that goes with the test.
class TestFolder {
public:
  TestFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "fp8cXXXXXX";
    path = mkdtemp(pattern.data());
  }
  ~TestFolder() { std::filesystem::remove_all(path); }

  std::string operator/(const std::string &name) const { return path / name; }

  std::string write(const std::string &name, const std::string &bytes) const {
    std::ofstream(path / name, std::ios::binary) << bytes;
    return path / name;
  }
  std::string write(const std::string &name,
                    const std::vector<uint16_t> &tokens) const {
    return write(name,
                 std::string(reinterpret_cast<const char *>(tokens.data()),
                             tokens.size() * sizeof(uint16_t)));
  }
  std::string read(const std::string &name) const {
    std::ifstream file(path / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::vector<std::string> names() const {
    std::vector<std::string> result;
    for (const auto &entry : std::filesystem::directory_iterator(path))
      result.push_back(entry.path().filename());
    return result;
  }

private:
  std::filesystem::path path;
};

/// What the Error that `action` throws says; fails if it throws none.
template <class Action> std::string errorOf(Action action) {
  try {
    action();
  } catch (const Error &error) {
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

inline bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

#define EXPECT_ERROR(part, expression)                                         \
  EXPECT_PRED2(contains, errorOf([&] { (void)(expression); }), part)

} // namespace fp8c::runtime

#endif // FP8C_TEST_UNIT_RUNTIME_TESTFILES_H
