//===- UnknownCommand.h - What is no command of a tool ----------*- C++ -*-===//

#ifndef TOOLS_UNKNOWNCOMMAND_H
#define TOOLS_UNKNOWNCOMMAND_H

#include "core/Error.h"

#include <algorithm>
#include <initializer_list>

namespace fp8c {

/// Commands of the two tools are easily taken for one another: `others` are
/// those of `other`.
inline runtime::Error
unknownCommand(const std::string &name, const std::string &tool,
               const std::string &other,
               std::initializer_list<const char *> others) {
  if (std::find(others.begin(), others.end(), name) != others.end())
    return runtime::Error("\"" + name + "\" is no command of " + tool,
                          "it is one of " + other + ": " + other + " " + name +
                              " --help");
  return runtime::Error("there is no command \"" + name + "\"",
                        "see: " + tool + " --help");
}

} // namespace fp8c

#endif // TOOLS_UNKNOWNCOMMAND_H
