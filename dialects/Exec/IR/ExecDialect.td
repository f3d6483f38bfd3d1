//===- ExecDialect.td - The dialect of compiled programs ------------------===//

#ifndef EXEC_IR_EXECDIALECT_TD
#define EXEC_IR_EXECDIALECT_TD

include "mlir/IR/OpBase.td"

def Exec_Dialect : Dialect {
  let name = "exec";
  let cppNamespace = "::fp8c::exec";
  let summary = "Library calls and kernels on planned device buffers";
  let description = [{
    What a program does, op by op, in the order in which it does it. Values are
    buffers (`memref`): variables at offsets of the variables block, temporaries
    at offsets of one arena, and views of either. Nothing is implicit any more:
    the emitted source is this IR, printed.

    An FP8 tensor is two buffers: the data, and a pair of f32 numbers, the scale and
    its inverse. A kernel is a scalar f32 program that runs over the elements, rows or
    columns of a matrix `rows x cols`; its accesses say how they depend on the position:

    | access | index at row i, column j |
    |---|---|
    | `full` | `i * cols + j` |
    | `col` | `j` |
    | `row` | `i` |
    | `scalar` | `0` |
    | `tile` | `(i % period) * cols + j` |
    | `transposed` (of `exec.quantize`) | `j * rows + i` |
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::memref::MemRefDialect", "::fp8c::train::TrainDialect"];
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
}

#endif // EXEC_IR_EXECDIALECT_TD
