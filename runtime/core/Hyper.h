//===- Hyper.h - Order of the run-time hyperparameters ----------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_HYPER_H
#define FP8C_RUNTIME_CORE_HYPER_H

namespace fp8c::runtime {

/// The symbols that `train.hyper` knows, in the order of `Fp8cCall::hyper`.
constexpr const char *hyperNames[] = {
    "lr",        "beta1", "beta2",      "eps",  "weight_decay",
    "clip_norm", "step",  "grad_scale", "seed", "micro_batch"};

/// How many the first programs had.
constexpr unsigned firstHyperNames = 8;

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_HYPER_H
