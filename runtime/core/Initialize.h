//===- Initialize.h - How variables start -----------------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_INITIALIZE_H
#define FP8C_RUNTIME_CORE_INITIALIZE_H

#include <cstdint>

namespace fp8c::runtime {

class Instance;

enum class Which {
  AllVariables,
  NotInCheckpoints ///< what a checkpoint does not bring back
};

/// Gives variables of the instance their initial values. Normal values are
/// keyed by `seed` and the variable's name, so that neither the order of the
/// variables nor the number of threads matters. Does not call `init`.
/// Throws Error if initial.bin is missing, too short or damaged; its checksum
/// is computed on another thread meanwhile.
void initializeVariables(Instance &instance, uint64_t seed,
                         Which which = Which::AllVariables);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_INITIALIZE_H
