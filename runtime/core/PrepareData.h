//===- PrepareData.h - From a text file to token files ----------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_PREPAREDATA_H
#define FP8C_RUNTIME_CORE_PREPAREDATA_H

#include "core/Tokenizer.h"

namespace fp8c::runtime {

struct PreparedData {
  std::string train, validation, tokenizer; ///< paths; no validation: empty
  uint64_t trainTokens = 0, validationTokens = 0;
};

/// Writes PREFIX.train.bin and PREFIX.val.bin (headerless little-endian
/// uint16) and PREFIX.tokenizer.json. The last `validationShare` (0 to below 1)
/// of the text becomes validation; 0 writes no validation file. The text is
/// read as it is needed, whatever its size, and need not be valid UTF-8.
///
/// Throws Error if the text is empty, unreadable or too short for the split, if
/// tokens do not fit 16 bits, or if writing fails; then no file is changed.
PreparedData prepareData(const std::string &textFile, Tokenizer &tokenizer,
                         const std::string &prefix,
                         double validationShare = 0.1);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_PREPAREDATA_H
