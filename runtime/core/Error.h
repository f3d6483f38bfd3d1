//===- Error.h - The one exception of the runtime ---------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_ERROR_H
#define FP8C_RUNTIME_CORE_ERROR_H

#include <stdexcept>
#include <string>

namespace fp8c::runtime {

/// Something the user has to know about: what happened and what to do about it.
/// Every failure of the runtime is reported by throwing this type; a tool's
/// main() catches it once and prints both lines.
class Error : public std::runtime_error {
public:
  explicit Error(const std::string &what, std::string hint = "")
      : std::runtime_error(what), hintText(std::move(hint)) {}

  /// An error about a file: the path follows the message in parentheses.
  static Error inFile(const std::string &path, const std::string &what,
                      std::string hint = "") {
    return Error(what + " (" + path + ")", std::move(hint));
  }

  /// What the user can do; may be empty.
  const std::string &hint() const { return hintText; }

private:
  std::string hintText;
};

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_ERROR_H
