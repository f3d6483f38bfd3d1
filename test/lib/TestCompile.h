//===- TestCompile.h - Programs of what no ONNX file says -------*- C++ -*-===//

#ifndef TEST_LIB_TESTCOMPILE_H
#define TEST_LIB_TESTCOMPILE_H

namespace test {
/// `--test-compile=output=PROG.fp8x`: for tests of ops by themselves.
void registerTestCompile();
} // namespace test

#endif // TEST_LIB_TESTCOMPILE_H
