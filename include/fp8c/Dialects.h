//===- Dialects.h - Every dialect of fp8c -----------------------*- C++ -*-===//

#ifndef FP8C_DIALECTS_H
#define FP8C_DIALECTS_H

#include "Exec/IR/Exec.h"
#include "FP8/IR/FP8.h"
#include "Target/IR/Target.h"
#include "Train/IR/Train.h"

#endif // FP8C_DIALECTS_H
