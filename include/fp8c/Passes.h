//===- Passes.h - Every pass of fp8c ----------------------------*- C++ -*-===//
//
// For each folder of passes: fp8c::<dialect>::create<Pass>(options), and
// register<Dialect>Passes(). fp8c/Pipelines.h puts them in order.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_PASSES_H
#define FP8C_PASSES_H

#include "Conversion/FP8ToUpstream/Passes.h"
#include "Conversion/TrainToExec/Passes.h"
#include "Exec/Transforms/Passes.h"
#include "FP8/Training/Passes.h"
#include "FP8/Transforms/Passes.h"
#include "Train/Transforms/Passes.h"

#endif // FP8C_PASSES_H
