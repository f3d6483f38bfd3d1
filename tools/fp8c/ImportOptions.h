//===- ImportOptions.h - Options that say what parts are -*- C++ -*-===//

#ifndef FP8C_TOOLS_FP8C_IMPORTOPTIONS_H
#define FP8C_TOOLS_FP8C_IMPORTOPTIONS_H

#include "Import/ONNX/ImportONNX.h"

#include <CLI/CLI.hpp>

namespace fp8c {

/// Adds --train, --freeze, --params, --dim, --input and --pad. `options` must
/// outlive the command.
void addImportOptions(CLI::App &command, ImportONNXOptions &options);

/// Reads those of them whose order counts, after parsing. Throws
/// CLI::ValidationError.
void readImportOptions(const CLI::App &command, ImportONNXOptions &options);

} // namespace fp8c

#endif // FP8C_TOOLS_FP8C_IMPORTOPTIONS_H
