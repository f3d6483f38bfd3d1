//===- Interrupt.h - What signals ask of a training -------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_INTERRUPT_H
#define FP8C_RUNTIME_CORE_INTERRUPT_H

#include <vector>

namespace fp8c::runtime {

/// Signals that ask a training to end with a checkpoint: SIGINT, SIGTERM,
/// SIGUSR1, which schedulers send before their time is up, and SIGHUP, unless
/// it is ignored, as under nohup.
std::vector<int> endingSignals();

/// From here on the first signal that asks a training to end is only noted; a
/// second one ends the process as usual. SIGUSR2 asks for a checkpoint. A
/// closed pipe is an error of the write, not the end.
void watchInterrupts();

/// The signal that came, or 0. SIGUSR2 comes once for each time that it was
/// sent, and behind all others.
int takeInterrupt();

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_INTERRUPT_H
