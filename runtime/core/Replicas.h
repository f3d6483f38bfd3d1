//===- Replicas.h - Whether processes hold the same ------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_REPLICAS_H
#define FP8C_RUNTIME_CORE_REPLICAS_H

#include "core/Instance.h"

namespace fp8c::runtime {

/// Compares every variable's bits, by checksums, with those of the first
/// process. All processes must call it between the same steps; each throws
/// Error if a variable of any differs.
void checkReplicas(const Instance &instance, Processes &processes);

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_REPLICAS_H
