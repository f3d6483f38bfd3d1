//===- ExecTypes.td - What buffers an op takes ----------------------------===//

#ifndef EXEC_IR_EXECTYPES_TD
#define EXEC_IR_EXECTYPES_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/CommonTypeConstraints.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

/// Nothing about a program is left open: shapes and strides are numbers.
def Exec_Buffer : Type<CPred<"::fp8c::exec::isBuffer($_self)">,
                       "buffer of floats or integers with static shape and strides", "::mlir::MemRefType">;

class Exec_BufferOf<list<Type> elements, string what>
    : Type<And<[Exec_Buffer.predicate, MemRefOf<elements>.predicate]>, what, "::mlir::MemRefType">;
def Exec_FloatBuffer : Exec_BufferOf<[F32, BF16, F16], "buffer of f32, bf16 or f16">;
def Exec_F32Buffer : Exec_BufferOf<[F32], "buffer of f32">;
def Exec_IdBuffer : Exec_BufferOf<[I64], "buffer of i64">;
def Exec_IntegerBuffer : Exec_BufferOf<[I64, I32, I1], "buffer of integers or truth values">;
def Exec_CodeBuffer : Exec_BufferOf<[F8E4M3FN, F8E5M2], "buffer of FP8 codes">;
def Exec_ByteBuffer : Exec_BufferOf<[I8], "buffer of bytes">;
def Exec_Scalar32 : Type<And<[Exec_F32Buffer.predicate, HasAnyRankOfPred<[0]>]>, "one f32", "::mlir::MemRefType">;
def Exec_Count : Type<And<[Exec_IdBuffer.predicate, HasAnyRankOfPred<[0]>]>, "one i64", "::mlir::MemRefType">;
def Exec_ScalePair : Type<CPred<"::fp8c::exec::isScalePair($_self)">,
                          "scale and inverse, memref<5xf32>", "::mlir::MemRefType">;
def Exec_ScaleState : Type<CPred<"::fp8c::exec::isScaleState($_self)">,
                           "scale state: f32, 9 words and a window of at least one", "::mlir::MemRefType">;
def Exec_StatsBuffer : Type<CPred<"::fp8c::exec::isStats($_self)">, "statistics, memref<3xui32>", "::mlir::MemRefType">;

/// Buffers that are read, written, or both.
class Exec_In<TypeConstraint type = Exec_Buffer> : Arg<type, "", [MemRead]>;
class Exec_Out<TypeConstraint type = Exec_Buffer> : Arg<type, "", [MemWrite]>;
class Exec_InOut<TypeConstraint type = Exec_Buffer> : Arg<type, "", [MemRead, MemWrite]>;

#endif // EXEC_IR_EXECTYPES_TD
