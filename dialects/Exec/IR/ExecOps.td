//===- ExecOps.td - Operations of the exec dialect ------------------------===//

#ifndef EXEC_IR_EXECOPS_TD
#define EXEC_IR_EXECOPS_TD

include "Exec/IR/ExecDialect.td"
include "Exec/IR/ExecEnums.td"
include "Exec/IR/ExecLibraryOps.td"
include "Exec/IR/ExecTypes.td"
include "Train/IR/TrainAttrs.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class Exec_Op<string mnemonic, list<Trait> traits = []> : Op<Exec_Dialect, mnemonic, traits>;

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

def Exec_VariableOp : Exec_Op<"variable", [Symbol, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "A buffer of the variables block";
  let description = [{
    `offset` in bytes. What is not per element (the scale pair of an FP8
    variable, or the inverse scales of its tiles) is a variable of its own, which `scale` names; variables of one scale share it.
    `of` is the parameter that a gradient, a moment, a compute weight or their scale belongs to.

    Example: `exec.variable @"wte.weight" : memref<256x128xf32> at 0 {init = #train.normal<...>, role = #train.role<parameter>}`
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<Exec_Buffer>:$type, I64Attr:$offset,
                       Train_RoleAttr:$role, AnyAttr:$init, OptionalAttr<FlatSymbolRefAttr>:$of, OptionalAttr<FlatSymbolRefAttr>:$scale);
  let assemblyFormat = "$sym_name `:` $type `at` $offset attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::MemRefType getBufferType() { return ::llvm::cast<::mlir::MemRefType>(getType()); }
  }];
}

def Exec_GetOp : Exec_Op<"get", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The buffer of a variable";
  let arguments = (ins FlatSymbolRefAttr:$variable);
  let results = (outs Exec_Buffer:$buffer);
  let assemblyFormat = "$variable attr-dict `:` type($buffer)";
}

def Exec_HyperOp : Exec_Op<"hyper", [Pure]> {
  let summary = "The place of a run-time hyperparameter";
  let arguments = (ins StrAttr:$symbol);
  let results = (outs Exec_Scalar32:$buffer);
  let assemblyFormat = "$symbol attr-dict `:` type($buffer)";
}

def Exec_ConstantOp : Exec_Op<"constant", [Pure]> {
  let summary = "A small constant array of the program";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Exec_Buffer:$buffer);
  let assemblyFormat = "attr-dict $value `:` type($buffer)";
}

def Exec_AllocOp : Exec_Op<"alloc", [MemoryEffects<[MemAlloc]>]> {
  let summary = "A temporary of the arena";
  let description = [{
    `offset` in bytes, chosen by `exec-plan-memory`. Live from the first use to
    the last of the buffer and its views.

    Example: `%0 = exec.alloc at 4096 {fp8.name = "h.0/mlp/fc"} : memref<16x128x512xbf16>`
  }];
  let arguments = (ins OptionalAttr<I64Attr>:$offset);
  let results = (outs Exec_Buffer:$buffer);
  let assemblyFormat = "(`at` $offset^)? attr-dict `:` type($buffer)";
}

def Exec_AsyncBeginOp : Exec_Op<"async_begin"> {
  let summary = "Work that goes on beside that of the function";
  let description = [{
    What stands between this op and the `async_end` of the same section is done in its order, after all that stands before this op, and beside what
    stands behind `async_end`, which must not touch its buffers before an `async_wait` lists them. Sections follow each other in order. They allocate nothing and do not use the workspace of library calls.

    Example: `exec.async_begin 0`
  }];
  let arguments = (ins I64Attr:$section);
  let assemblyFormat = "$section attr-dict";
}

def Exec_AsyncEndOp : Exec_Op<"async_end"> {
  let summary = "The end of work that goes on beside that of the function";
  let description = "Example: `exec.async_end 0`";
  let arguments = (ins I64Attr:$section);
  let assemblyFormat = "$section attr-dict";
}

def Exec_AsyncWaitOp : Exec_Op<"async_wait"> {
  let summary = "Wait for a section of work that goes on beside that of the function";
  let description = [{
    `buffers` are those that the section touches: they live until here.

    Example: `exec.async_wait 0 for %g, %h : memref<128x512xf32>, memref<128x512xf32>`
  }];
  let arguments = (ins I64Attr:$section, Arg<Variadic<Exec_Buffer>, "", [MemRead, MemWrite]>:$buffers);
  let assemblyFormat = "$section `for` $buffers attr-dict `:` type($buffers)";
}

def Exec_ViewOp : Exec_Op<"view", [Pure]> {
  let summary = "A buffer seen with another shape, offset, strides or element type";
  let description = [{
    `offset` in elements of the result's type, from the start of the source; strides are in the result's type.

    Example: `%k = exec.view %qkv[128] : memref<16x128x384xf32> to memref<16x128x128xf32, strided<[49152, 384, 1]>>`
  }];
  let arguments = (ins Exec_Buffer:$source, DefaultValuedAttr<I64Attr, "0">:$offset);
  let results = (outs Exec_Buffer:$result);
  let assemblyFormat = "$source (`[` $offset^ `]`)? attr-dict `:` type($source) `to` type($result)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Launches (calls of the kernel library are in ExecLibraryOps.td)
//===----------------------------------------------------------------------===//

class Exec_LaunchBase<string mnemonic, list<string> overrides, list<Trait> traits = []> : Exec_Op<mnemonic, !listconcat([
    DeclareOpInterfaceMethods<SymbolUserOpInterface>, DeclareOpInterfaceMethods<Exec_WorkOpInterface, overrides>], traits)>;

def Exec_LaunchOp : Exec_LaunchBase<"launch", ["getCost", "mayOverwrite"], [AttrSizedOperandSegments]> {
  let summary = "Run a kernel over rows x cols";
  let description = [{
    `inputs` are the kernel's first arguments, which it only reads. A buffer that it writes may be one that it reads, where that changes
    nothing element by element: `exec-plan-memory` decides so by the kernel's body. Skeletons must not assume otherwise.

    Example: `exec.launch @bias_gelu over [2048, 512] ins(%fc, %bias : memref<16x128x512xf32>, memref<512xf32>) outs(%gelu : memref<16x128x512xf32>)`
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, I64Attr:$rows, I64Attr:$cols, Exec_In<Variadic<Exec_Buffer>>:$inputs,
                       Exec_InOut<Variadic<Exec_Buffer>>:$outputs);
  let assemblyFormat = [{
    $kernel `over` `[` $rows `,` $cols `]` `ins` `(` ($inputs^ `:` type($inputs))? `)`
    `outs` `(` ($outputs^ `:` type($outputs))? `)` attr-dict
  }];
}

def Exec_LaunchMultiOp : Exec_LaunchBase<"launch_multi", ["getCost"]> {
  let summary = "Run a kernel over many matrices at once";
  let description = [{
    What as many `exec.launch` would do, in any order: matrix `t` is `rows[t] x cols[t]`, and its buffers are the t-th of equal parts of `buffers`.
    A target prints a table of the parts and launches once.

    Example: `exec.launch_multi @adamw over [128, 512] x [512, 128] (%p0, %g0, %p1, %g1) : memref<128x512xf32>, …`
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, DenseI64ArrayAttr:$rows, DenseI64ArrayAttr:$cols,
                       Exec_InOut<Variadic<Exec_Buffer>>:$buffers);
  let assemblyFormat = "$kernel `over` $rows `x` $cols `(` $buffers `)` attr-dict `:` type($buffers)";
  let extraClassDeclaration = [{
    size_t getNumMatrices() { return getRows().size(); }
    ::mlir::OperandRange getBuffersOf(size_t matrix) {
      size_t count = getBuffers().size() / getNumMatrices();
      return getBuffers().slice(matrix * count, count);
    }
  }];
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

def Exec_KernelOp : Exec_Op<"kernel", [Symbol, IsolatedFromAbove, SingleBlock, NoTerminator]> {
  let summary = "A scalar program instantiated with a skeleton";
  let description = [{
    The region's arguments are the buffers (unranked: a kernel serves all shapes), the first
    `inputs` of them only read. `pitches` has two numbers for each argument: of how many rows
    lie side by side and how many elements behind them the next ones do; 0, 0 where rows follow each other. Outside of `exec.each`, `exec.reduce` and `exec.column_sum` stands what is done once per row (or per chunk).

    Example:
    ```mlir
    exec.kernel @layer_norm rows (%x, %w, %y) {
      %0 = exec.reduce sum {
        %4 = exec.load %x full : memref<*xf32>
        exec.yield %4
      }
      …
      exec.each { … exec.store %9, %y full : memref<*xf32> }
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Train_SkeletonAttr:$skeleton, StrArrayAttr:$arg_names, I64Attr:$inputs,
                       OptionalAttr<DenseI64ArrayAttr>:$pitches);
  let extraClassDeclaration = [{
    /// How the rows of an argument's matrix lie.
    ::fp8c::exec::Pitch getPitch(unsigned argument) {
      auto pitches = getPitches();
      return pitches ? ::fp8c::exec::Pitch{(*pitches)[2 * argument], (*pitches)[2 * argument + 1]}
                     : ::fp8c::exec::Pitch{};
    }
  }];
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
}

def Exec_Scalar : AnyTypeOf<[F32, I64, I32, I1]>;

def Exec_LoadOp : Exec_Op<"load", [Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "One element: a float widened to f32, an integer or truth value as it is";
  let description = "Pure: a kernel never reads what it wrote.";
  let arguments = (ins AnyUnrankedMemRef:$buffer, Exec_Access:$access, DefaultValuedAttr<I64Attr, "0">:$period);
  let results = (outs Exec_Scalar:$value);
  let assemblyFormat = "$buffer $access (`(` $period^ `)`)? attr-dict `:` type($buffer)";
}

def Exec_StoreOp : Exec_Op<"store", [TypesMatchWith<"the value is of what the buffer holds", "buffer", "value",
    "::fp8c::exec::getScalarType($_self)">]> {
  let summary = "One element: a float rounded to the buffer's type, an integer or truth value as it is";
  let arguments = (ins Exec_Scalar:$value, AnyUnrankedMemRef:$buffer, Exec_Access:$access);
  let assemblyFormat = "$value `,` $buffer $access attr-dict `:` type($buffer)";
}

def Exec_QuantizeOp : Exec_Op<"quantize", [AttrSizedOperandSegments]> {
  let summary = "Store value * scale, saturated, and gather statistics of the value";
  let description = [{
    The code goes to its place in `buffer` (access `full`), to its transposed place in `transposed`, or to both. Transposed stores
    need the matrix's shape: they stand in kernels of skeleton `rows`.

    `key` rounds stochastically, as `fp8.quantize` says. `code`, where someone needs it, is what was stored, before it is scaled back.

    Example: `exec.quantize %x, %s to %q : memref<*xf8E4M3FN> transposed %qt : memref<*xf8E4M3FN> stats %k : memref<*xui32>`
  }];
  let arguments = (ins F32:$value, F32:$scale, Optional<AnyUnrankedMemRef>:$buffer, Optional<AnyUnrankedMemRef>:$transposed,
                       Optional<AnyUnrankedMemRef>:$stats, Optional<F32>:$key, OptionalAttr<I64Attr>:$stochastic);
  let results = (outs Optional<F32>:$code);
  let assemblyFormat = [{
    $value `,` $scale (`to` $buffer^ `:` type($buffer))? (`transposed` $transposed^ `:` type($transposed))?
    (`stats` $stats^ `:` type($stats))? (`key` $key^)? attr-dict (`->` type($code)^)?
  }];
  let hasVerifier = 1;
}

def Exec_ClampOp : Exec_Op<"clamp"> {
  let summary = "Limit a magnitude, and gather statistics of the value";
  let arguments = (ins F32:$value, F32:$limit, AnyUnrankedMemRef:$stats);
  let results = (outs F32:$clamped);
  let assemblyFormat = "$value `,` $limit `,` $stats attr-dict `:` type($stats)";
}

def Exec_AmaxOp : Exec_Op<"amax"> {
  let summary = "Gather the largest finite magnitude";
  let arguments = (ins F32:$value, AnyUnrankedMemRef:$stats);
  let assemblyFormat = "$value `,` $stats attr-dict `:` type($stats)";
}

def Exec_PartialSumOp : Exec_Op<"partial_sum"> {
  let summary = "Add to the sum of the block of rows that this row is in";
  let description = [{
    `target` [ceil(rows / `block_rows`), cols] gets, at [i / `block_rows`, j], the sum of `value` over the rows of the block, in order. `slot` numbers
    the partial sums of the kernel, which has skeleton `rows`.

    Example: `exec.partial_sum %t, %d_bias_partials slot 0 block_rows 32 : memref<*xf32>`
  }];
  let arguments = (ins F32:$value, AnyUnrankedMemRef:$target, I64Attr:$slot, I64Attr:$block_rows);
  let assemblyFormat = "$value `,` $target `slot` $slot `block_rows` $block_rows attr-dict `:` type($target)";
}

class Exec_RegionOp<string mnemonic, list<Trait> traits = []>
    : Exec_Op<mnemonic, !listconcat([SingleBlock], traits)> {
  let regions = (region SizedRegion<1>:$body);
}

def Exec_EachOp : Exec_RegionOp<"each", [NoTerminator]> {
  let summary = "Do something for every element of the row or chunk";
  let assemblyFormat = "$body attr-dict";
}

def Exec_ReduceOp : Exec_RegionOp<"reduce"> {
  let summary = "Reduce over the elements of the row";
  let arguments = (ins Exec_Reduction:$kind);
  let results = (outs F32:$value);
  let assemblyFormat = "$kind $body attr-dict";
}

def Exec_ColumnSumOp : Exec_RegionOp<"column_sum"> {
  let summary = "Sum over the rows into one element per column";
  let description = "`accumulate` and `unless_first` as in `exec.gemm`.";
  let arguments = (ins AnyUnrankedMemRef:$target, UnitAttr:$accumulate, UnitAttr:$unless_first);
  let assemblyFormat = "$target $body attr-dict `:` type($target)";
}

def Exec_TotalOp : Exec_RegionOp<"total"> {
  let summary = "Sum over all elements into one number";
  let arguments = (ins AnyUnrankedMemRef:$target);
  let assemblyFormat = "$target $body attr-dict `:` type($target)";
}

def Exec_YieldOp : Exec_Op<"yield", [Pure, Terminator, ParentOneOf<["ReduceOp", "ColumnSumOp", "TotalOp"]>]> {
  let summary = "The element that is reduced";
  let arguments = (ins F32:$value);
  let assemblyFormat = "$value attr-dict";
}

#endif // EXEC_IR_EXECOPS_TD
