//===- collectives.h - Who joins what ------------------------------------===//
//
// Tensors are joined over processes in three steps: every process gets its part
// of each tensor from all others, joins the parts in f32, in the order of
// ranks, and sends the results to all. As many bytes travel as in a ring, but
// what comes out is rounded once, and is the same whoever computes it.
//
//===----------------------------------------------------------------------===//

#ifndef FP8C_KERNELS_COMMON_COLLECTIVES_H
#define FP8C_KERNELS_COMMON_COLLECTIVES_H

#include "core/ProgramABI.h"
#include "kernels/common/auto_scale.h"
#include "kernels/common/scale_state.h"
#include "kernels/common/types.h"

#include <stdexcept>
#include <vector>

namespace fp8c {

enum class Join { sum, max };
enum class Element { of_float, of_bf16, of_f16, of_e4m3, of_e5m2 };

/// A tensor that processes join; `output` may be `input`. Several parts of it
/// that a process has follow each other.
struct Joined {
  const void *input;
  void *output;
  int64_t count; ///< elements of `output`
  Element element;
  int64_t parts = 1;
};

/// A tensor of which processes send shares to each other: `bytes` of `input`.
struct Moved {
  const void *input;
  void *output;
  int64_t bytes;
};

/// A tensor of codes, and pairs of a scale and its inverse.
struct SummedCodes {
  const void *input;
  void *output;
  const float *pair;
  float *output_pair;
  int64_t count;
  int64_t parts = 1;
};

/// A pair of a scale and its inverse, what the scale is multiplied by, and the
/// pair that comes out.
struct ScaledScale {
  const float *pair, *factor;
  float *output_pair;
};

/// A sum that all processes have, and the factor that gave it room.
struct WatchedSum {
  float *mu;
  const void *sum;
  int64_t count;
};

template <class T> constexpr Element element_of();
template <> constexpr Element element_of<e4m3>() { return Element::of_e4m3; }
template <> constexpr Element element_of<e5m2>() { return Element::of_e5m2; }

/// Bytes of an element.
constexpr int64_t size_of(Element element) {
  return element == Element::of_float                                ? 4
         : element == Element::of_bf16 || element == Element::of_f16 ? 2
                                                                     : 1;
}

namespace detail {

/// Elements of a tensor that a process joins.
struct Part {
  int64_t first, count;
};
/// See exec::getJoinScratchBytes.
inline int64_t part_size(int64_t count, int size) {
  return ((count + size - 1) / size + 15) / 16 * 16;
}
inline Part part_of(int64_t count, int rank, int size) {
  const int64_t each = part_size(count, size);
  const int64_t first = each * rank < count ? each * rank : count;
  return {first, each < count - first ? each : count - first};
}

/// Makes neighbours in memory one tensor: what lies between them is padding, as
/// long as no buffer has room there.
inline std::vector<Joined>
merge_neighbours(const std::vector<Joined> &tensors) {
  constexpr int64_t alignment = 64; // of buffers
  std::vector<Joined> merged;
  for (const Joined &next : tensors) {
    if (!merged.empty()) {
      Joined &last = merged.back();
      const int64_t size = size_of(next.element);
      auto distance = [&](const void *from, const void *to) {
        return static_cast<const unsigned char *>(to) -
               static_cast<const unsigned char *>(from);
      };
      const int64_t between = distance(last.input, next.input),
                    gap = between - last.count * size;
      if (last.parts == 1 && next.parts == 1 && last.element == next.element &&
          gap >= 0 && gap < alignment && between % size == 0 &&
          distance(last.output, next.output) == between) {
        last.count = between / size + next.count;
        continue;
      }
    }
    merged.push_back(next);
  }
  return merged;
}

/// What a process sends and receives in a step.
struct Exchange {
  std::vector<Fp8cTransfer> sends, receives;
  bool stays = false; ///< what is sent, until the next exchange begins

  void send(int peer, const void *from, int64_t bytes) {
    if (bytes)
      sends.push_back({peer, const_cast<void *>(from), nullptr,
                       static_cast<unsigned long long>(bytes)});
  }
  void receive(int peer, const void *mirror, void *into, int64_t bytes) {
    if (bytes)
      receives.push_back(
          {peer, into, mirror, static_cast<unsigned long long>(bytes)});
  }
  void run(const Fp8cCollectives &with, void *stream) const {
    with.exchange(with.self, sends.data(), int(sends.size()), receives.data(),
                  int(receives.size()), stays, stream);
  }
};

/// What this process joins of a tensor: its own elements, of several parts
/// `own_stride` bytes apart, and those of the others, `stride` bytes apart, by
/// part and then by rank without its own.
struct PartJoin {
  const unsigned char *own, *others;
  unsigned char *output;
  int64_t count, stride;
  Element element;
  int64_t parts, own_stride;

  FP8C_FN const unsigned char *from(int64_t part, int r, int rank,
                                    int size) const {
    return r == rank
               ? own + part * own_stride
               : others + (part * (size - 1) + (r < rank ? r : r - 1)) * stride;
  }
};

/// The three steps for tensors.
struct JoinPlan {
  Exchange scatter, gather;
  std::vector<PartJoin> parts;
  bool gathers = false;
};

/// `scratch`: see exec::getJoinScratchBytes.
inline JoinPlan all_reduce_plan(const Fp8cCollectives &with,
                                const std::vector<Joined> &tensors,
                                void *scratch) {
  JoinPlan plan;
  auto *space = static_cast<unsigned char *>(scratch);
  plan.gathers = true;
  plan.scatter.stays = true; // a process joins what is not sent
  for (const Joined &tensor : merge_neighbours(tensors)) {
    const int64_t size = size_of(tensor.element);
    const auto *input = static_cast<const unsigned char *>(tensor.input);
    auto *output = static_cast<unsigned char *>(tensor.output);
    const Part own = part_of(tensor.count, with.rank, with.size);
    const int64_t first = own.first * size, bytes = own.count * size,
                  stride = part_size(tensor.count, with.size) * size;
    plan.parts.push_back({input + first, space, output + first, own.count,
                          stride, tensor.element, tensor.parts,
                          tensor.count * size});
    for (int64_t p = 0; p < tensor.parts; ++p, input += tensor.count * size)
      for (int peer = 0; peer < with.size; ++peer) {
        if (peer == with.rank)
          continue;
        const Part part = part_of(tensor.count, peer, with.size);
        const int64_t its_first = part.first * size,
                      its_bytes = part.count * size;
        plan.scatter.send(peer, input + its_first, its_bytes);
        plan.scatter.receive(peer, input + first, space, bytes);
        space += stride;
        if (p)
          continue;
        plan.gather.send(peer, output + first, bytes);
        plan.gather.receive(peer, output + its_first, output + its_first,
                            its_bytes);
      }
  }
  return plan;
}

/// The first two steps, where each process keeps what it joins: the same share
/// of every tensor. `scratch`: see exec::getScatterScratchBytes.
inline JoinPlan reduce_scatter_plan(const Fp8cCollectives &with,
                                    const std::vector<Joined> &tensors,
                                    void *scratch) {
  JoinPlan plan;
  auto *space = static_cast<unsigned char *>(scratch);
  for (const Joined &tensor : tensors) {
    const int64_t size = size_of(tensor.element), bytes = tensor.count * size,
                  stride = part_size(tensor.count, 1) * size;
    const auto *input = static_cast<const unsigned char *>(tensor.input);
    const unsigned char *own = input + bytes * with.rank;
    plan.parts.push_back({own, space,
                          static_cast<unsigned char *>(tensor.output),
                          tensor.count, stride, tensor.element, 1, bytes});
    for (int peer = 0; peer < with.size; ++peer) {
      if (peer == with.rank)
        continue;
      plan.scatter.send(peer, input + bytes * peer, bytes);
      plan.scatter.receive(peer, own, space, bytes);
      space += stride;
    }
  }
  return plan;
}

/// What goes to others and comes from them, and what a process keeps.
struct MovePlan {
  Exchange exchange;
  std::vector<Moved> kept; ///< `bytes` to copy
};

/// Every process gets all of every other's `input`.
inline MovePlan all_gather_plan(const Fp8cCollectives &with,
                                const Moved *tensors, int n) {
  MovePlan plan;
  for (int t = 0; t < n; ++t) {
    const int64_t bytes = tensors[t].bytes;
    auto *output = static_cast<unsigned char *>(tensors[t].output);
    const void *input = tensors[t].input;
    plan.kept.push_back({input, output + bytes * with.rank, bytes});
    for (int peer = 0; peer < with.size; ++peer)
      if (peer != with.rank) {
        plan.exchange.send(peer, input, bytes);
        plan.exchange.receive(peer, input, output + bytes * peer, bytes);
      }
  }
  return plan;
}

/// Every process gets its share of every other's `input`.
inline MovePlan all_to_all_plan(const Fp8cCollectives &with,
                                const Moved *tensors, int n) {
  MovePlan plan;
  for (int t = 0; t < n; ++t) {
    const int64_t bytes = tensors[t].bytes / with.size;
    const auto *input = static_cast<const unsigned char *>(tensors[t].input);
    const unsigned char *own = input + bytes * with.rank;
    auto *output = static_cast<unsigned char *>(tensors[t].output);
    plan.kept.push_back({own, output + bytes * with.rank, bytes});
    for (int peer = 0; peer < with.size; ++peer)
      if (peer != with.rank) {
        plan.exchange.send(peer, input + bytes * peer, bytes);
        plan.exchange.receive(peer, own, output + bytes * peer, bytes);
      }
  }
  return plan;
}

/// 2^-k, where 2^k is the least power of two that is not below n: sums of n
/// codes times it are no larger than the largest code.
inline float sum_factor(int n) {
  float factor = 1.0f;
  for (int power = 1; power < n; power *= 2)
    factor *= 0.5f;
  return factor;
}

/// Joins element i of all parts in the order of ranks, times `factor`.
template <class T>
FP8C_FN void join_element(const PartJoin &part, int64_t i, int rank, int size,
                          bool is_sum, float factor) {
  float joined = 0.0f;
  for (int64_t p = 0; p < part.parts; ++p)
    for (int r = 0; r < size; ++r) {
      const auto *from =
          reinterpret_cast<const T *>(part.from(p, r, rank, size));
      const float x = load(from, i);
      joined = p == 0 && r == 0 ? x : is_sum ? joined + x : max(joined, x);
    }
  store(reinterpret_cast<T *>(part.output), i, joined * factor);
}

/// The scale of a sum.
FP8C_FN void scale_sum(const float *pair, float *output_pair, float factor) {
  store_pair(output_pair, pair[0] * factor, pair[scale_inverse_word] / factor);
}

/// One step of the ring: see ring_steps.
struct RingStep {
  Exchange exchange;
  std::vector<PartJoin> parts; ///< own codes that what came is added to
};

/// A sum in a ring, in place: in each of the first steps a process sends a part
/// to the next one and adds its own codes to what comes, until each part has
/// been everywhere; then sums go round. `scratch`: see
/// exec::getJoinScratchBytes.
inline std::vector<RingStep> ring_steps(const Fp8cCollectives &with,
                                        const std::vector<Joined> &tensors,
                                        void *scratch) {
  const int size = with.size, next = (with.rank + 1) % size,
            previous = (with.rank + size - 1) % size;
  std::vector<RingStep> steps(size_t(2 * (size - 1)));
  const std::vector<Joined> merged = merge_neighbours(tensors);
  for (int s = 0; s < 2 * (size - 1); ++s) {
    RingStep &step = steps[size_t(s)];
    const bool adds = s < size - 1;
    auto *space = static_cast<unsigned char *>(scratch);
    for (const Joined &tensor : merged) {
      auto *codes = static_cast<unsigned char *>(tensor.output);
      const int sent = (with.rank - s + 2 * size) % size,
                came = (sent + size - 1) % size;
      const Part out = part_of(tensor.count, sent, size),
                 in = part_of(tensor.count, came, size);
      unsigned char *own = codes + in.first;
      step.exchange.send(next, codes + out.first, out.count);
      step.exchange.receive(previous, own, adds ? space : own, in.count);
      if (adds)
        step.parts.push_back(
            {space, own, own, in.count, 0, tensor.element, 1, 0});
      space += part_size(tensor.count, size);
    }
  }
  return steps;
}

/// See advance_auto_scale.
FP8C_FN void adjust_mu(float *mu, uint64_t saturated, int64_t count, int size) {
  AutoScale state = {*mu, 0, 0};
  advance_auto_scale(&state, saturated, uint64_t(count), size);
  *mu = state.mu;
}

FP8C_FN void scale_by(const ScaledScale &s) {
  store_pair(s.output_pair, s.pair[0] * *s.factor,
             s.pair[scale_inverse_word] / *s.factor);
}

inline const Fp8cCollectives &expect_others(const Fp8cCollectives *with) {
  if (!with)
    throw std::runtime_error("this function needs the other processes of the "
                             "program: only training has them");
  return *with;
}

/// Statistics of all processes, by rank; the own ones are in place.
inline Exchange gather_stats(const Fp8cCollectives &with, Stats *all, int n) {
  Exchange exchange;
  const int64_t bytes = int64_t(n) * int64_t(sizeof(Stats));
  for (int peer = 0; peer < with.size; ++peer)
    if (peer != with.rank) {
      exchange.send(peer, all + int64_t(n) * with.rank, bytes);
      Stats *its = all + int64_t(n) * peer;
      exchange.receive(peer, its, its, bytes);
    }
  return exchange;
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

/// What sums of codes are multiplied by: all are of as many parts.
inline float sum_factor(const Fp8cCollectives &with,
                        const SummedCodes *tensors) {
  return sum_factor(int(with.size * tensors->parts));
}

template <class T>
std::vector<Joined> codes_of(const SummedCodes *tensors, int n) {
  std::vector<Joined> joined;
  for (int t = 0; t < n; ++t)
    joined.push_back({tensors[t].input, tensors[t].output, tensors[t].count,
                      element_of<T>(), tensors[t].parts});
  return joined;
}

} // namespace detail
} // namespace fp8c

#endif // FP8C_KERNELS_COMMON_COLLECTIVES_H
