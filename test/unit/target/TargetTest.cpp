//===- TargetTest.cpp - The compiler's table against the kernels' ---------===//

#include "Exec/IR/Exec.h"
#include "kernels/common/shared_memory.h"
#include "mlir/IR/MLIRContext.h"
#include <gtest/gtest.h>

using namespace fp8c;

/// Kernels choose by their own table what fits, at compute capabilities.
TEST(Target, SharedMemoryIsThatOfTheKernels) {
  mlir::MLIRContext context;
  context.loadDialect<exec::ExecDialect>();
  for (auto [capability, bytes] : shared_memory) {
    std::string name = "sm_" + std::to_string(capability / 10);
    auto target = exec::TargetAttr::get(&context, "cuda", name);
    EXPECT_EQ(target.getTraits().sharedMemoryBytes, bytes) << name;
    EXPECT_EQ(target.getTraits().name, name);
  }
}
