//===- ProgramABI.h - The binary interface of a compiled program -*- C -*-===//
//
// A compiled program is a shared object that exports
//
//   int  fp8c_program_abi(void);            returns FP8C_PROGRAM_ABI
//   void fp8c_<function>(const Fp8cCall *); one per function of the manifest
//   const char *fp8c_program_contract(void); what the manifest must say, see
//                                           Contract.h; older programs lack it
//
// Emitted code includes this header; the runtime calls through it. It is plain
// C and must stay so: nothing else is shared by the two sides but
// manifest.json.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_RUNTIME_CORE_PROGRAMABI_H
#define FP8C_RUNTIME_CORE_PROGRAMABI_H

/* Raised whenever Fp8cCall or the meaning of one of its fields changes. */
#define FP8C_PROGRAM_ABI 7

#ifdef __cplusplus
extern "C" {
#endif

enum Fp8cReduction { Fp8cReduction_sum, Fp8cReduction_max };

/* What a program with a grid asks of its other processes. Each returns once
   this process has its result; what fails is thrown through the program. */
typedef struct Fp8cCollectives {
  void *self; /* the first argument of the functions */
  /* Joins `count` f32 element by element; every process gets the same bits.
     `output` may be `input`. */
  void (*all_reduce)(void *self, const float *input, float *output,
                     unsigned long long count, enum Fp8cReduction reduction);
} Fp8cCollectives;

/* What one call of a program function works on. The runtime owns everything.
   All addresses are of the device that the program was compiled for. */
typedef struct Fp8cCall {
  unsigned char *variables;  /* "variables_bytes" bytes, 64-byte aligned;
                                kept between calls */
  unsigned char *arena;      /* "arena_bytes" bytes, 64-byte aligned; scratch,
                                contents undefined at entry */
  const float *hyper;        /* in the order of the manifest's "hyper" */
  const void *const *inputs; /* in manifest order, dense row-major */
  void *const *outputs;      /* in manifest order, dense row-major */
  void *device;              /* what the target's kernel library needs besides:
                                CUDA a CudaContext; the CPU a Fp8cCollectives
                                if the program has a grid */
  int accumulate;            /* 0 in the first micro-batch of a step: gradients
                                are overwritten; else 1: they are added to */
} Fp8cCall;

typedef void (*Fp8cFunction)(const Fp8cCall *);

#ifdef __cplusplus
}
#endif

#endif /* FP8C_RUNTIME_CORE_PROGRAMABI_H */
