//===- Interrupt.h - Ending a training on SIGINT and SIGTERM ----*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_INTERRUPT_H
#define FP8C_RUNTIME_CORE_INTERRUPT_H

namespace fp8c::runtime {

/// From here on the first SIGINT or SIGTERM is only noted; a second one ends
/// the process as usual.
void watchInterrupts();

/// The signal that came, or 0.
int pendingInterrupt();

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_INTERRUPT_H
