//===- collectives.h - Who sums what -------------------------------------===//
//
// A sum of scaled tensors over processes goes three steps: every process gets
// the codes of its part of each tensor from all others, sums them, and sends
// the sums to all. Each code travels twice, as in a ring, but is rounded once.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_COMMON_COLLECTIVES_H
#define FP8C_KERNELS_COMMON_COLLECTIVES_H

#include "core/ProgramABI.h"
#include "kernels/common/scale_state.h"
#include "kernels/common/types.h"

#include <stdexcept>
#include <vector>

namespace fp8c {

/// A scaled tensor that processes sum: codes, and pairs of a scale and its
/// inverse.
struct SummedCodes {
  const void *input;
  void *output;
  const float *pair;
  float *output_pair;
  int64_t count;
};

namespace detail {

/// The part of a tensor that a process sums. See exec::getCodesPart.
struct Part {
  int64_t first, count;
};
inline int64_t part_size(int64_t count, int size) {
  return ((count + size - 1) / size + 15) / 16 * 16;
}
inline Part part_of(int64_t count, int rank, int size) {
  const int64_t each = part_size(count, size);
  const int64_t first = each * rank < count ? each * rank : count;
  return {first, each < count - first ? each : count - first};
}

/// 2^-k, where 2^k is the least power of two that is not below n: sums of n
/// codes times it are no larger than the largest code.
inline float sum_factor(int n) {
  float factor = 1.0f;
  for (int power = 1; power < n; power *= 2)
    factor *= 0.5f;
  return factor;
}

/// Where the codes of a process's part come to in the scratch: those of a
/// tensor from all others, by rank, and before them those of tensors before.
struct CodesExchange {
  std::vector<Fp8cTransfer> sends, receives;

  void send(int peer, const void *codes, Part part) {
    add(sends, peer, const_cast<void *>(codes), part);
  }
  void receive(int peer, void *codes, Part part) {
    add(receives, peer, codes, part);
  }
  void run(const Fp8cCollectives &with, void *stream) const {
    with.exchange(with.self, sends.data(), int(sends.size()), receives.data(),
                  int(receives.size()), stream);
  }

private:
  static void add(std::vector<Fp8cTransfer> &to, int peer, void *codes,
                  Part part) {
    if (part.count)
      to.push_back({peer, static_cast<unsigned char *>(codes) + part.first,
                    static_cast<unsigned long long>(part.count)});
  }
};

/// The first exchange: parts go to those who sum them.
inline CodesExchange scatter_codes(const Fp8cCollectives &with,
                                   const SummedCodes *tensors, int n,
                                   unsigned char *scratch) {
  CodesExchange exchange;
  for (int t = 0; t < n; ++t) {
    const int64_t count = tensors[t].count, each = part_size(count, with.size);
    const Part own = part_of(count, with.rank, with.size);
    for (int peer = 0; peer < with.size; ++peer) {
      if (peer == with.rank)
        continue;
      exchange.send(peer, tensors[t].input, part_of(count, peer, with.size));
      exchange.receive(peer, scratch, {0, own.count});
      scratch += each;
    }
  }
  return exchange;
}

/// The second: sums go to all.
inline CodesExchange gather_codes(const Fp8cCollectives &with,
                                  const SummedCodes *tensors, int n) {
  CodesExchange exchange;
  for (int t = 0; t < n; ++t) {
    const Part own = part_of(tensors[t].count, with.rank, with.size);
    for (int peer = 0; peer < with.size; ++peer) {
      if (peer == with.rank)
        continue;
      exchange.send(peer, tensors[t].output, own);
      exchange.receive(peer, tensors[t].output,
                       part_of(tensors[t].count, peer, with.size));
    }
  }
  return exchange;
}

/// The part that this process sums: its own codes, and those of the others at
/// `others`, `stride` apart, by rank without its own.
struct CodesSum {
  const unsigned char *own, *others;
  unsigned char *output;
  int64_t count, stride;
};
inline std::vector<CodesSum> codes_sums(const Fp8cCollectives &with,
                                        const SummedCodes *tensors, int n,
                                        const unsigned char *scratch) {
  std::vector<CodesSum> sums;
  for (int t = 0; t < n; ++t) {
    const Part own = part_of(tensors[t].count, with.rank, with.size);
    const int64_t each = part_size(tensors[t].count, with.size);
    sums.push_back(
        {static_cast<const unsigned char *>(tensors[t].input) + own.first,
         scratch, static_cast<unsigned char *>(tensors[t].output) + own.first,
         own.count, each});
    scratch += each * (with.size - 1);
  }
  return sums;
}

/// Sums element i of the part, in the order of ranks.
template <class T>
FP8C_FN void sum_codes(const CodesSum &sum, int64_t i, int rank, int size,
                       float factor) {
  float total = 0.0f;
  for (int r = 0; r < size; ++r) {
    const unsigned char *codes =
        r == rank ? sum.own : sum.others + (r < rank ? r : r - 1) * sum.stride;
    total += load(reinterpret_cast<const T *>(codes), i);
  }
  store(reinterpret_cast<T *>(sum.output), i, total * factor);
}

/// The scale of a sum.
FP8C_FN void scale_sum(const float *pair, float *output_pair, float factor) {
  output_pair[0] = pair[0] * factor;
  output_pair[scale_inverse_word] = pair[scale_inverse_word] / factor;
}

inline const Fp8cCollectives &expect_others(const Fp8cCollectives *with) {
  if (!with)
    throw std::runtime_error("this function needs the other processes of the "
                             "program: only training has them");
  return *with;
}

/// Statistics of all processes, by rank, of which the own ones are in place.
inline void exchange_stats(const Fp8cCollectives &with, Stats *all, int n,
                           void *stream) {
  std::vector<Fp8cTransfer> sends, receives;
  const auto bytes = static_cast<unsigned long long>(n) * sizeof(Stats);
  for (int peer = 0; peer < with.size; ++peer)
    if (peer != with.rank) {
      sends.push_back({peer, all + int64_t(n) * with.rank, bytes});
      receives.push_back({peer, all + int64_t(n) * peer, bytes});
    }
  with.exchange(with.self, sends.data(), int(sends.size()), receives.data(),
                int(receives.size()), stream);
}

/// Statistic i of all processes together.
FP8C_FN Stats join_stats(const Stats *all, int64_t i, int n, int size) {
  Stats joined = {0, 0, 0};
  for (int r = 0; r < size; ++r) {
    const Stats &one = all[int64_t(n) * r + i];
    joined.amax_bits =
        one.amax_bits > joined.amax_bits ? one.amax_bits : joined.amax_bits;
    joined.saturated += one.saturated;
    joined.nonfinite += one.nonfinite;
  }
  return joined;
}

} // namespace detail
} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_COLLECTIVES_H
