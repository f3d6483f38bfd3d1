//===- Contract.h - What ties a manifest to its code and runs ---*- C++ -*-===//
//
// Compiler and runtime compute both texts from the manifest's JSON, each for
// itself: the compiler to write them, the runtime to see that they still hold.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_RUNTIME_CORE_CONTRACT_H
#define FP8C_RUNTIME_CORE_CONTRACT_H

#include "core/Json.h"

#include <string>

namespace fp8c::runtime {

/// SHA-256 as 64 hexadecimal digits.
std::string sha256(const std::string &text);

/// SHA-256 of what a run depends on: recipe, variables and functions of a
/// manifest, but not the plan of temporaries.
std::string fingerprintOf(const OrderedJson &manifest);

/// What a program's code takes for granted, a line "key value" for each: the
/// sizes of its two blocks, the order of hyperparameters, and the fingerprint
/// that the manifest states. The code exports it as fp8c_program_contract().
std::string contractOf(const OrderedJson &manifest);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_CONTRACT_H
