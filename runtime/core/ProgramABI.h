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
#define FP8C_PROGRAM_ABI 9

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that go to another process, or come from it. All processes have the
   same places in their memory: `mirror` is where the bytes lie in the memory of
   the one that sends them, as an address of one's own. */
typedef struct Fp8cTransfer {
  int peer; /* its rank */
  void *data;
  const void *mirror; /* of what is received; what is sent needs none */
  unsigned long long bytes;
} Fp8cTransfer;

/* What a program with a grid asks of its other processes, which all make the
   same calls in the same order. A CPU's call returns once this process has sent
   and received, a GPU's once the work is on `stream`, a cudaStream_t. What
   fails is thrown through the program. */
typedef struct Fp8cCollectives {
  void *self; /* the first argument of the function */
  int rank, size;
  /* Sends and receives. The i-th of all that is sent from one process to
     another is the i-th of all that the other receives from it, of as many
     bytes. What is sent may be overwritten after it, or, with `stays`, once
     the next exchange has begun. */
  void (*exchange)(void *self, const struct Fp8cTransfer *sends, int send_count,
                   const struct Fp8cTransfer *receives, int receive_count,
                   int stays, void *stream);
  /* Sums FP8 codes of all processes as the devices' own library does, rounding
     at every hop; `output` may be `input`. Without codes it is planned alone.
     CPUs have none, and sum by exchange. */
  void (*sum_codes)(void *self, const void *input, void *output,
                    unsigned long long count, int is_e5m2, void *stream);
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
