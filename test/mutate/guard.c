/* Ends a program that reads or writes behind its memory. Preloaded by run-mutants.py:
 * the blocks that fp8c-run maps for variables and temporaries end at a page that
 * nobody may touch, so that what lies behind them is no luck. */

#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096
#define ALIGNMENT 64 /* of a block: see Fp8cCall */

void *mmap(void *at, size_t bytes, int protection, int flags, int file, off_t offset) {
  char *base;
  size_t whole = (bytes + PAGE - 1) / PAGE * PAGE;
  if (at || file != -1 || protection != (PROT_READ | PROT_WRITE))
    return (void *)syscall(SYS_mmap, at, bytes, protection, flags, file, offset);
  base = (char *)syscall(SYS_mmap, NULL, whole + PAGE, protection, flags, file, offset);
  if (base == MAP_FAILED)
    return base;
  mprotect(base + whole, PAGE, PROT_NONE);
  return base + (whole - bytes) / ALIGNMENT * ALIGNMENT;
}

int munmap(void *at, size_t bytes) {
  uintptr_t base = (uintptr_t)at / PAGE * PAGE;
  /* The page behind stays. */
  return (int)syscall(SYS_munmap, base, (bytes + PAGE - 1) / PAGE * PAGE);
}
