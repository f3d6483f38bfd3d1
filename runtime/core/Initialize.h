//===- Initialize.h - How variables start -----------------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_INITIALIZE_H
#define FP8C_RUNTIME_CORE_INITIALIZE_H

#include <cstdint>

namespace fp8c::runtime {

class Instance;

/// Gives every variable of the instance its initial value. Normal values are
/// keyed by `seed` and the variable's name, so that neither the order of the
/// variables nor the number of threads matters. Does not call `init`.
/// Throws Error if initial.bin is missing or too short.
void initializeVariables(Instance &instance, uint64_t seed);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_INITIALIZE_H
