//===- Escape.h - Names as parts of other texts -----------------*- C++ -*-===//
//
// Names of graphs, nodes, tensors, recipes and files are data: anyone may have
// written them. Where a name becomes part of a text that a person, a compiler
// or a browser reads, it goes through the function of that language here. JSON
// has jsonText() (Json.h), identifiers of C++ target::toIdentifier and
// target::Scope.
//
// An escaped byte reads \xHH. What a function makes of different texts is
// different, unless it says otherwise.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_RUNTIME_CORE_ESCAPE_H
#define FP8C_RUNTIME_CORE_ESCAPE_H

#include <string>
#include <string_view>

namespace fp8c::runtime {

bool isUtf8(std::string_view text);

/// Bytes that are not UTF-8 escaped, everything else as it is; a text that has
/// \xHH already may become the same as one that gets it.
std::string toUtf8(std::string_view text);

/// For terminals: one line without control characters, invalid bytes, and
/// characters that nobody sees or that turn the direction of others. More than
/// `most` bytes become beginning, length, checksum and end.
std::string printable(std::string_view text, size_t most = 1000);

/// For terminals: lines, each of which is printable. Those after the first are
/// indented, so that none of them passes for a message of its own.
std::string printableMessage(std::string_view text);

/// For a comment of C++, YAML or shell: printable, and nothing in it ends or
/// continues a comment.
std::string commentText(std::string_view text);

/// A string literal of C++, with its quotes.
std::string cppLiteral(std::string_view text);

/// A scalar of YAML, with its quotes. Bytes that are not UTF-8 become U+FFFD.
std::string yamlScalar(std::string_view text);

/// JSON that may stand in a <script> of an HTML page; its value is the same.
std::string scriptText(std::string_view json);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_ESCAPE_H
