//===- GPU.cpp - What GPUs reach ------------------------------------------===//

#include "Target/Common/GPU.h"

using namespace fp8c::target;

// Matrix products: bursts of cuBLASLt 13.1, column-major (3072, 65536, 768),
// (6400, 16384, 1600) and (16384, 16384, 4096), the mean of what e4m3·e4m3 and
// e4m3·e5m2 reach. An H200 is the same chip with other memory.
static constexpr double T = 1e12;
static constexpr GPU kH100 = {
    "h100",
    "products and bandwidth measured on an H100 80GB HBM3 (cuBLASLt 13.1, "
    "bursts); f32 from its data sheet",
    67 * T,
    67 * T,
    780 * T,
    {{768, 1321 * T, 970 * T},
     {1600, 1396 * T, 1172 * T},
     {4096, 1503 * T, 1420 * T}},
    2.95 * T};

static GPU getH200() {
  GPU gpu = kH100;
  gpu.name = "h200";
  gpu.source =
      "products as measured on an H100; bandwidth from the data sheet, times "
      "the 88 % that an H100 reaches of its own";
  gpu.bandwidth = 0.88 * 4.8 * T;
  return gpu;
}

llvm::ArrayRef<GPU> fp8c::target::getGPUs() {
  static const GPU gpus[] = {kH100, getH200()};
  return gpus;
}

double GPU::getRate(const exec::Cost &cost) const {
  switch (cost.unit) {
  case exec::Unit::vector:
    return vector;
  case exec::Unit::f32:
    return f32;
  case exec::Unit::bf16:
    return bf16;
  case exec::Unit::fp8Fast:
  case exec::Unit::fp8Slow:
    break;
  }
  auto get = [&](const FP8Rate &rate) {
    return cost.unit == exec::Unit::fp8Fast ? rate.fast : rate.slow;
  };
  if (cost.k <= fp8[0].k)
    return get(fp8[0]);
  for (int i = 1; i < 3; ++i) {
    if (cost.k > fp8[i].k)
      continue;
    double share =
        double(cost.k - fp8[i - 1].k) / double(fp8[i].k - fp8[i - 1].k);
    return get(fp8[i - 1]) + share * (get(fp8[i]) - get(fp8[i - 1]));
  }
  return get(fp8[2]);
}

double GPU::getBound(const exec::Cost &cost) const {
  return std::max(cost.flops / getRate(cost), cost.bytes / bandwidth);
}
