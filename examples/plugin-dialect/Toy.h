//===- Toy.h - A dialect that knows FP8 by one interface --------*- C++ -*-===//

#ifndef TOY_H
#define TOY_H

#include "FP8/IR/FP8.h"
#include "mlir/IR/Dialect.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "ToyDialect.h.inc"
#define GET_OP_CLASSES
#include "Toy.h.inc"

#endif // TOY_H
