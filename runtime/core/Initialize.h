//===- Initialize.h - How variables start -----------------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_INITIALIZE_H
#define FP8C_RUNTIME_CORE_INITIALIZE_H

#include <cstdint>

namespace fp8c::runtime {

class Instance;
class SafetensorsReader;

enum class Which {
  AllVariables,
  NotInCheckpoints ///< what a checkpoint does not bring back
};

/// Gives variables of the instance their initial values. Normal values are
/// keyed by `seed` and the variable's name, so that neither the order of the
/// variables nor the number of threads matters. Does not call `init`.
/// Throws Error if initial.bin is missing or too short.
void initializeVariables(Instance &instance, uint64_t seed,
                         Which which = Which::AllVariables);

/// The same with the values of `given` where it has a variable of that name,
/// and what depends on them: scales and amaxes that are not given too are
/// computed anew. A variable has its own dtype and shape there; a parameter may
/// be in f32 whatever it is stored in, and is quantised as its initial values
/// are. Throws Error for what does not fit: codes without their scale, a scale
/// at which values would saturate, an amax below the values it is of.
void initializeVariables(Instance &instance, uint64_t seed,
                         const SafetensorsReader &given);

/// Throws Error if `init`, called in between, has overwritten something that
/// was given with something else.
void checkKept(const Instance &instance, const SafetensorsReader &given);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_INITIALIZE_H
