//===- PreTokenizer.h - Cutting text into words, as GPT-2 does --*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_PRETOKENIZER_H
#define FP8C_RUNTIME_CORE_PRETOKENIZER_H

#include <cstddef>
#include <string_view>

namespace fp8c::runtime {

/// The end of the piece of `text` that starts at `start`. Pieces are what
/// matches GPT-2's pattern one after the other:
///
///   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+
///   |\s+(?!\S)|\s+
///
/// Text is UTF-8. A byte that is not part of valid UTF-8 counts as a character
/// that is neither letter, number nor space, so that any file can be encoded.
size_t pieceEnd(std::string_view text, size_t start);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_PRETOKENIZER_H
