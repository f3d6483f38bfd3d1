//===- AttentionCases.h - Shapes of attention that are tested ---*- C++ -*-===//
//
// All pairs of the lengths and widths below; of all other factors, every pair
// of values stands in some case.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_TEST_UNIT_CUDA_ATTENTIONCASES_H
#define FP8C_TEST_UNIT_CUDA_ATTENTIONCASES_H

#include "kernels/cuda/library.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace fp8c::attention_test {

struct Case {
  int64_t batch, seq, kv_seq, heads, kv_heads, head_dim;
  bool causal;
  bool packed = true; ///< q, k and v are slices of one tensor
  Format format = Format::bf16;
  int64_t parts = 1;
  int64_t window = 0;
  float softcap = 0;
  /// Dimensions of the bias that are as large as the scores', of "bhts"; null:
  /// there is none.
  const char *bias = nullptr;
  int hides = 0; ///< the bias hides keys: 1 some of every query, 2 all of some
  bool lengths = false;

  bool isPlain() const { return !window && softcap == 0 && !bias && !lengths; }
  std::array<int64_t, 4> biasShape() const {
    const int64_t full[] = {batch, heads, seq, kv_seq};
    std::array<int64_t, 4> shape = {};
    for (int i = 0; bias && i < 4; ++i)
      shape[i] = std::strchr(bias, "bhts"[i]) ? full[i] : 1;
    return shape;
  }
  int64_t biasSize() const {
    const auto n = biasShape();
    return n[0] * n[1] * n[2] * n[3];
  }
  float scale() const { return 1.0f / std::sqrt(float(head_dim)); }
  int64_t rows() const { return batch * heads * seq; }
  int64_t o() const { return rows() * head_dim; }
  int64_t q() const { return o(); }
  int64_t k() const { return batch * kv_seq * kv_heads * head_dim; }
};

template <class... Parts> std::string concat(const Parts &...parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

inline std::string nameOf(const Case &c) {
  return concat("b", c.batch, "_s", c.seq, "x", c.kv_seq, "_h", c.heads, "x",
                c.kv_heads, "_d", c.head_dim, c.causal ? "_causal" : "_full",
                c.packed ? "_packed" : "", "_parts", c.parts,
                c.format == Format::f32   ? "_f32"
                : c.format == Format::f16 ? "_f16"
                                          : "_bf16",
                c.window ? concat("_window", c.window) : "",
                c.softcap != 0 ? concat("_softcap", int(c.softcap)) : "",
                c.bias ? concat("_bias", c.bias) : "",
                c.hides == 2 ? "_blind"
                : c.hides    ? "_hides"
                             : "",
                c.lengths ? "_lengths" : "");
}

/// Values of factors, by index: length, width, kv heads, causal, batch, packed,
/// format, parts.
using Levels = std::array<int, 8>;

constexpr int64_t lengths[] = {1,   7,   33,  64,   80,  160,
                               192, 200, 320, 1000, 1536};
constexpr int64_t widths[] = {16, 32, 40, 64, 80, 96, 112, 128, 192, 256};
constexpr int64_t kvHeads[] = {4, 2, 1};
constexpr int64_t batches[] = {1, 3};

inline Case caseOf(const Levels &x) {
  Case c;
  c.seq = c.kv_seq = lengths[x[0]];
  c.head_dim = widths[x[1]];
  c.heads = 4;
  c.kv_heads = kvHeads[x[2]];
  c.causal = x[3];
  c.batch = batches[x[4]];
  c.packed = x[5];
  c.format = x[6] ? Format::f16 : Format::bf16;
  c.parts = x[7] ? c.batch : 1;
  return c;
}

/// Greedy: each pair of a length and a width takes those other values that
/// cover most pairs of values that no case has yet.
inline std::vector<Levels> pairwise() {
  using Pair = std::array<int, 4>; // factor, value, factor, value
  auto pairsOf = [](const Levels &x) {
    std::vector<Pair> pairs;
    for (int a = 0; a < int(x.size()); ++a)
      for (int b = a + 1; b < int(x.size()); ++b)
        pairs.push_back({a, x[a], b, x[b]});
    return pairs;
  };
  std::set<Pair> covered;
  std::vector<Levels> rows;
  for (int i = 0; i < int(std::size(lengths)); ++i)
    for (int j = 0; j < int(std::size(widths)); ++j) {
      Levels best = {};
      int most = -1;
      for (int rest = 0; rest < 3 << 5; ++rest) {
        const Levels x = {i,
                          j,
                          rest % 3,
                          rest / 3 & 1,
                          rest / 6 & 1,
                          rest / 12 & 1,
                          rest / 24 & 1,
                          rest / 48 & 1};
        int gain = 0;
        for (const Pair &pair : pairsOf(x))
          gain += !covered.count(pair);
        if (gain > most) {
          most = gain;
          best = x;
        }
      }
      for (const Pair &pair : pairsOf(best))
        covered.insert(pair);
      rows.push_back(best);
    }
  return rows;
}

/// At most 200. Besides the pairs: more keys than queries and fewer, and f32,
/// which only plain kernels do, with more keys than they hold at a time.
inline std::vector<Case> attentionCases() {
  std::vector<Case> cases;
  for (const Levels &levels : pairwise())
    cases.push_back(caseOf(levels));
  for (int64_t kv_seq : {1, 33, 128, 320})
    for (int64_t seq : {64, 160})
      for (bool causal : {false, true})
        cases.push_back({2, seq, kv_seq, 4, 2, 64, causal, /*packed=*/false});
  for (int64_t seq : {33, 1100})
    for (int64_t head_dim : {20, 64, 264})
      cases.push_back(
          {2, seq, seq, 4, 2, head_dim, seq == 33, true, Format::f32});
  cases.push_back({2, 160, 160, 4, 2, 20, true}); // no multiple of 8
  cases.push_back({2, 160, 160, 4, 2, 264, true});
  return cases;
}

/// What scores can have besides, alone and in pairs: all of it in bf16 at one
/// length and width, and every third in all formats, at lengths that are
/// multiples of 128 and not, with more keys than queries and fewer.
inline std::vector<Case> scoreCases() {
  std::vector<Case> cases;
  int offset = 0, skipped = 0;
  auto add = [&](Case c) {
    c.packed = c.seq == c.kv_seq;
    const bool isWhole =
        c.format == Format::bf16 && c.seq == 160 && c.head_dim == 64;
    if (isWhole || (skipped++ + offset) % 3 == 0)
      cases.push_back(c);
  };
  for (Format format : {Format::bf16, Format::f16, Format::f32})
    for (int64_t seq : {40, 160, 256})
      for (int64_t head_dim : {16, 64, 128}) {
        if ((format == Format::f32) != (head_dim == 16))
          continue;
        Case c = {3, seq, seq, 4, seq == 40 ? 4 : 2, head_dim, true};
        c.format = format;
        ++offset;
        for (int64_t window : {1, 7, 33, 128, 300}) {
          Case with = c;
          with.window = window;
          add(with);
          with.lengths = true;
          add(with);
        }
        for (bool causal : {false, true}) {
          c.causal = causal;
          Case with = c;
          with.softcap = 5;
          add(with);
          with = c;
          with.lengths = true;
          add(with);
          for (const char *bias : {"bhts", "hts", "hs", "bs", "ts", "bts", "b"})
            for (int hides : {0, 1, 2}) {
              with = c;
              with.bias = bias;
              with.hides = hides;
              if (!hides || std::strchr(bias, 's'))
                add(with);
              with.lengths = true;
              if (!hides)
                add(with);
            }
        }
        c.causal = true;
        c.window = 33;
        c.softcap = 5;
        add(c);
        c.bias = "hts";
        c.lengths = true;
        add(c);
        c.window = 0;
        add(c);
        Case cross = {3, seq, seq + 24, 4, 2, head_dim, false};
        cross.format = format;
        cross.bias = "hts";
        add(cross);
        cross.kv_seq = seq - 8;
        cross.causal = true;
        cross.window = 20;
        cross.bias = nullptr;
        add(cross);
      }
  Case parts = {4, 160, 160, 4, 4, 64, true}; // all of them, too
  parts.parts = 2;
  parts.lengths = true;
  add(parts);
  parts.bias = "bhts";
  add(parts);
  parts.bias = "hts";
  parts.lengths = false;
  add(parts);
  return cases;
}

} // namespace fp8c::attention_test

#endif // FP8C_TEST_UNIT_CUDA_ATTENTIONCASES_H
