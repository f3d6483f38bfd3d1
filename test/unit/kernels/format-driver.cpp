//===- format-driver.cpp - Conversions as a filter ------------------------===//
//
//   format-driver encode|decode bf16|f16|e4m3|e5m2 < in > out
//
// encode reads floats and writes codes, decode the other way, both raw and in
// the machine's byte order. test/integration/test_formats.py compares what
// comes out with ml_dtypes.
//
//===----------------------------------------------------------------------===//

#include "kernels/common/types.h"

#include <cstdio>
#include <cstring>
#include <vector>

using namespace fp8c;

template <class From, class To> static int filter() {
  constexpr size_t block = 1 << 16;
  std::vector<From> in(block);
  std::vector<To> out(block);
  while (size_t n = fread(in.data(), sizeof(From), block, stdin)) {
    for (size_t i = 0; i < n; ++i)
      store(out.data(), i, load(in.data(), i));
    if (fwrite(out.data(), sizeof(To), n, stdout) != n)
      return 1;
  }
  return ferror(stdin) ? 1 : 0;
}

template <class T> static int run(const char *direction) {
  if (!strcmp(direction, "encode"))
    return filter<float, T>();
  if (!strcmp(direction, "decode"))
    return filter<T, float>();
  return 2;
}

int main(int argc, char **argv) {
  if (argc == 3) {
    if (!strcmp(argv[2], "bf16"))
      return run<bf16>(argv[1]);
    if (!strcmp(argv[2], "f16"))
      return run<f16>(argv[1]);
    if (!strcmp(argv[2], "e4m3"))
      return run<e4m3>(argv[1]);
    if (!strcmp(argv[2], "e5m2"))
      return run<e5m2>(argv[1]);
  }
  fprintf(stderr, "usage: %s encode|decode bf16|f16|e4m3|e5m2\n", argv[0]);
  return 2;
}
