//===- TestDialect.h - Another compiler's matrix products ------*- C++ -*-===//

#ifndef TEST_LIB_TESTDIALECT_H
#define TEST_LIB_TESTDIALECT_H

#include "FP8/IR/FP8.h"

#include "TestDialect.h.inc"

#define GET_OP_CLASSES
#include "TestOps.h.inc"

#endif // TEST_LIB_TESTDIALECT_H
