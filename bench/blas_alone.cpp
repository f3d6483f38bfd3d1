//===- blas_alone.cpp - The matrix products of a step, and nothing else ---===//
//
// Reads products from its input, one per line:
//
//   gemm M N K TRANSPOSE_A TRANSPOSE_B ACCUMULATE BATCH
//   attention BATCH HEADS KV_HEADS SEQ HEAD_DIM CAUSAL BACKWARD
//
// runs all of them in order, as often as the argument says, each on buffers of
// its own as in a program, and prints the milliseconds of every round. Batches
// and heads are spread over the threads, one thread in each product.
//
//===----------------------------------------------------------------------===//

#include "kernels/cpu/gemm.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

using fp8c::detail::sgemm;
using Product = std::function<void()>;

namespace {

/// Numbers of normal size: products of zeros or denormals take another time.
std::shared_ptr<float[]> buffer(int64_t elements) {
  std::shared_ptr<float[]> data(new float[size_t(elements)]);
  for (int64_t i = 0; i < elements; ++i)
    data[i] = float((i * 7919) % 1000) * 1e-4f - 0.05f;
  return data;
}

Product gemm(std::istream &line) {
  int64_t m, n, k, batch;
  bool ta, tb, accumulate;
  line >> m >> n >> k >> ta >> tb >> accumulate >> batch;
  auto a = buffer(batch * m * k), b = buffer(batch * k * n),
       c = buffer(batch * m * n);
  fp8c::GemmShape shape = {.m = m,
                           .n = n,
                           .k = k,
                           .transpose_a = ta,
                           .transpose_b = tb,
                           .batch = batch,
                           .stride_a = m * k,
                           .stride_b = k * n,
                           .stride_c = m * n};
  return [=] { fp8c::gemm(shape, a.get(), b.get(), c.get(), accumulate); };
}

/// The products of attention.h and attention_backward.h, block by block.
Product attention(std::istream &line) {
  constexpr int64_t block = 64;
  int64_t batch, heads, kv_heads, seq, dim;
  bool causal, backward;
  line >> batch >> heads >> kv_heads >> seq >> dim >> causal >> backward;
  int64_t q_width = heads * dim, kv_width = kv_heads * dim;
  auto q = buffer(batch * seq * q_width), d_q = buffer(batch * seq * q_width),
       o = buffer(batch * seq * q_width);
  auto k = buffer(batch * seq * kv_width), d_k = buffer(batch * seq * kv_width);
  auto v = buffer(batch * seq * kv_width), d_v = buffer(batch * seq * kv_width);
  auto head = [=](int64_t b, int64_t h, float *p, float *ds) {
    int64_t query = b * seq * q_width + h * dim,
            key = b * seq * kv_width + h / (heads / kv_heads) * dim;
    for (int64_t first = 0; first < seq; first += block) {
      int64_t rows = std::min(block, seq - first),
              cols = causal ? first + rows : seq;
      float *q_rows = q.get() + query + first * q_width,
            *o_rows = o.get() + query + first * q_width;
      sgemm(false, true, rows, cols, dim, 1, q_rows, q_width, k.get() + key,
            kv_width, 0, p, cols);
      if (!backward) {
        sgemm(false, false, rows, dim, cols, 1, p, cols, v.get() + key,
              kv_width, 0, o_rows, q_width);
        continue;
      }
      sgemm(false, true, rows, cols, dim, 1, o_rows, q_width, v.get() + key,
            kv_width, 0, ds, cols);
      sgemm(true, false, cols, dim, rows, 1, p, cols, o_rows, q_width, 1,
            d_v.get() + key, kv_width);
      sgemm(true, false, cols, dim, rows, 1, ds, cols, q_rows, q_width, 1,
            d_k.get() + key, kv_width);
      sgemm(false, false, rows, dim, cols, 1, ds, cols, k.get() + key, kv_width,
            0, d_q.get() + query + first * q_width, q_width);
    }
  };
  return [=] {
    fp8c::detail::SingleThreadedBlas single;
#pragma omp parallel for collapse(2) schedule(dynamic)
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t group = 0; group < kv_heads; ++group) {
        std::vector<float> p(size_t(block * seq), 1e-3f),
            ds(size_t(block * seq), 1e-3f);
        for (int64_t h = group * (heads / kv_heads);
             h < (group + 1) * (heads / kv_heads); ++h)
          head(b, h, p.data(), ds.data());
      }
  };
}

} // namespace

int main(int, char **argv) {
  std::vector<Product> products;
  for (std::string text; std::getline(std::cin, text);) {
    std::istringstream line(text);
    std::string kind;
    line >> kind;
    products.push_back(kind == "gemm" ? gemm(line) : attention(line));
  }
  for (int round = 0; round < std::atoi(argv[1]); ++round) {
    auto start = std::chrono::steady_clock::now();
    for (Product &product : products)
      product();
    std::chrono::duration<double, std::milli> time =
        std::chrono::steady_clock::now() - start;
    std::printf("%.3f\n", time.count());
  }
}
