//===- format-driver.cpp - Conversions as a filter ------------------------===//
//
//   format-driver encode|decode|initialize bf16|f16|e4m3|e5m2 < in > out
//
// encode reads floats and writes codes, decode the other way, both raw and in
// the machine's byte order. initialize encodes as the runtime does when it
// fills variables. test/integration/test_formats.py compares what comes out
// with ml_dtypes.
//
//===----------------------------------------------------------------------===//

#include "core/DataType.h"
#include "kernels/common/types.h"

#include <cstdio>
#include <cstring>
#include <vector>

using namespace fp8c;

template <class From, class To, class Convert>
static int filter(Convert convert) {
  constexpr size_t block = 1 << 16;
  std::vector<From> in(block);
  std::vector<To> out(block);
  while (size_t n = fread(in.data(), sizeof(From), block, stdin)) {
    for (size_t i = 0; i < n; ++i)
      convert(in.data(), out.data(), i);
    if (fwrite(out.data(), sizeof(To), n, stdout) != n)
      return 1;
  }
  return ferror(stdin) ? 1 : 0;
}

template <class T>
static int run(const char *direction, runtime::DataType type) {
  const auto convert = [](const auto *in, auto *out, size_t i) {
    store(out, i, load(in, i));
  };
  if (!strcmp(direction, "encode"))
    return filter<float, T>(convert);
  if (!strcmp(direction, "decode"))
    return filter<T, float>(convert);
  if (!strcmp(direction, "initialize"))
    return filter<float, T>([type](const float *in, T *out, size_t i) {
      runtime::storeElement(type, in[i], out + i);
    });
  return 2;
}

int main(int argc, char **argv) {
  if (argc == 3) {
    if (!strcmp(argv[2], "bf16"))
      return run<bf16>(argv[1], runtime::DataType::BF16);
    if (!strcmp(argv[2], "f16"))
      return run<f16>(argv[1], runtime::DataType::F16);
    if (!strcmp(argv[2], "e4m3"))
      return run<e4m3>(argv[1], runtime::DataType::F8E4M3FN);
    if (!strcmp(argv[2], "e5m2"))
      return run<e5m2>(argv[1], runtime::DataType::F8E5M2);
  }
  fprintf(stderr, "usage: %s encode|decode|initialize bf16|f16|e4m3|e5m2\n",
          argv[0]);
  return 2;
}
