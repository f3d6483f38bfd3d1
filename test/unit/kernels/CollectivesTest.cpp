//===- CollectivesTest.cpp - Sums over processes, which are threads here --===//
//
// Every sum is computed again in the plainest way: element by element, in the
// order that its op documents. Both must agree in every bit.
//
//===----------------------------------------------------------------------===//

#include "kernels/cpu/collectives.h"

#include "TestData.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

using namespace fp8c;
using namespace fp8c::test;

namespace {

/// Takes what threads send to each other.
class Network {
public:
  explicit Network(int size) : size(size) {}

  /// Calls `body` as every process.
  void run(const std::function<void(const Fp8cCall *call, int rank)> &body) {
    std::vector<std::thread> threads;
    for (int rank = 0; rank < size; ++rank)
      threads.emplace_back([&, rank] {
        omp_set_num_threads(1);
        End end = {this, rank};
        Fp8cCollectives with = {};
        with.self = &end;
        with.rank = rank;
        with.size = size;
        with.exchange = exchange;
        Fp8cCall call = {};
        call.device = &with;
        body(&call, rank);
      });
    for (std::thread &thread : threads)
      thread.join();
  }

private:
  using Message = std::vector<unsigned char>;
  struct End {
    Network *network;
    int rank;
  };

  static void exchange(void *self, const Fp8cTransfer *sends, int send_count,
                       const Fp8cTransfer *receives, int receive_count, int,
                       void *) {
    const End &end = *static_cast<End *>(self);
    Network &network = *end.network;
    for (int i = 0; i < send_count; ++i) {
      const auto *data = static_cast<const unsigned char *>(sends[i].data);
      const std::lock_guard<std::mutex> lock(network.mutex);
      network.sent[{end.rank, sends[i].peer}].emplace_back(
          data, data + sends[i].bytes);
    }
    network.changed.notify_all();
    for (int i = 0; i < receive_count; ++i) {
      std::unique_lock<std::mutex> lock(network.mutex);
      std::deque<Message> &from = network.sent[{receives[i].peer, end.rank}];
      network.changed.wait(lock, [&] { return !from.empty(); });
      ASSERT_EQ(from.front().size(), receives[i].bytes);
      std::memcpy(receives[i].data, from.front().data(), from.front().size());
      from.pop_front();
    }
  }

  const int size;
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::pair<int, int>, std::deque<Message>> sent;
};

constexpr int64_t sizes[] = {1, 15, 16, 17, 33, 100, 1000};

/// Tensors as in a program's memory: each at a multiple of 64 bytes. Those that
/// only padding separates travel together.
template <class T> class Tensors {
public:
  /// Two of each size, of `parts` parts.
  explicit Tensors(int64_t parts) {
    int64_t next = 0;
    for (int64_t size : sizes)
      for (int copy = 0; copy < 2; ++copy) {
        counts.push_back(size * parts);
        offsets.push_back(next);
        next += (counts.back() * int64_t(sizeof(T)) + 63) / 64 * 64;
      }
    memory.resize(size_t(next) / sizeof(Block));
  }
  void fill(unsigned seed) {
    for (size_t t = 0; t < count(); ++t) {
      const auto values =
          random_values<T>(counts[t], seed + unsigned(t), 20.0f);
      std::memcpy(data(t), values.data(), values.size() * sizeof(T));
    }
  }
  size_t count() const { return counts.size(); }
  int64_t size(size_t t) const { return counts[t]; }
  T *data(size_t t) {
    return reinterpret_cast<T *>(
        reinterpret_cast<unsigned char *>(memory.data()) + offsets[t]);
  }
  float at(size_t t, int64_t i) { return load(data(t), i); }

private:
  struct alignas(64) Block {
    unsigned char bytes[64];
  };
  std::vector<Block> memory;
  std::vector<int64_t> counts, offsets;
};

template <class T>
std::vector<Tensors<T>> make_tensors(int ranks, int64_t parts) {
  std::vector<Tensors<T>> all(static_cast<size_t>(ranks), Tensors<T>(parts));
  for (int r = 0; r < ranks; ++r)
    all[size_t(r)].fill(unsigned(100 * r));
  return all;
}

/// Enough for any of these sums.
std::vector<unsigned char> make_scratch() {
  return std::vector<unsigned char>(1 << 20);
}

constexpr float pair[5] = {8, 0, 0, 0, 0.125f};

template <class T> constexpr bool has_codes() { return sizeof(T) == 1; }

/// Sums tensors; of codes by the exact way.
template <class T>
void sum(const Fp8cCall *call, Tensors<T> &inputs, Tensors<T> &outputs,
         int64_t parts, float *pairs) {
  std::vector<unsigned char> scratch = make_scratch();
  std::vector<Joined> joined;
  std::vector<SummedCodes> codes;
  for (size_t t = 0; t < outputs.count(); ++t) {
    T *const from = inputs.data(t), *const to = outputs.data(t);
    if constexpr (has_codes<T>())
      codes.push_back({from, to, pair, pairs + 5 * t, outputs.size(t), parts});
    else
      joined.push_back(
          {from, to, outputs.size(t),
           std::is_same<T, bf16>::value ? Element::of_bf16 : Element::of_float,
           parts});
  }
  if constexpr (has_codes<T>())
    all_reduce_codes<T>(call, codes.data(), int(codes.size()), scratch.data());
  else
    all_reduce(call, joined.data(), int(joined.size()), Join::sum,
               scratch.data());
}

/// The first part of every process in the order of ranks, then the second.
template <class T> void expect_sums(int ranks, int64_t parts) {
  auto inputs = make_tensors<T>(ranks, parts);
  std::vector<Tensors<T>> outputs(static_cast<size_t>(ranks), Tensors<T>(1));
  const size_t tensors = outputs[0].count();
  std::vector<float> pairs(5 * tensors * size_t(ranks), 99.0f);
  Network(ranks).run([&](const Fp8cCall *call, int rank) {
    const auto r = size_t(rank);
    sum<T>(call, inputs[r], outputs[r], parts, &pairs[5 * tensors * r]);
  });
  float factor = 1;
  while (has_codes<T>() && float(ranks * parts) * factor > 1)
    factor /= 2;
  for (size_t t = 0; t < tensors; ++t)
    for (int64_t i = 0, count = outputs[0].size(t); i < count; ++i) {
      float total = -0.0f;
      for (int64_t p = 0; p < parts; ++p)
        for (auto &one : inputs)
          total += one.at(t, p * count + i);
      T expected;
      store(&expected, 0, total * factor);
      for (auto &one : outputs)
        ASSERT_EQ(std::memcmp(one.data(t) + i, &expected, sizeof(T)), 0)
            << ranks << " ranks, " << parts << " parts, tensor " << t
            << ", element " << i;
    }
  for (size_t i = 0; has_codes<T>() && i < pairs.size(); i += 5) {
    EXPECT_EQ(pairs[i], 8 * factor);
    EXPECT_EQ(pairs[i + 4], 0.125f / factor);
    for (size_t between : {1, 2, 3})
      EXPECT_EQ(pairs[i + between], 0.0f);
  }
}

TEST(Collectives, SumsPartsInOneOrder) {
  for (int ranks : {1, 2, 3, 5})
    for (int64_t parts : {1, 2, 3}) {
      expect_sums<float>(ranks, parts);
      expect_sums<bf16>(ranks, parts);
      expect_sums<e4m3>(ranks, parts);
      expect_sums<e5m2>(ranks, parts);
    }
}

/// Tensors of as many elements for each process as `sizes` says.
template <class T>
std::vector<std::vector<T>> make_wholes(int ranks, int64_t size,
                                        unsigned seed) {
  std::vector<std::vector<T>> all;
  for (int r = 0; r < ranks; ++r)
    all.push_back(random_values<T>(ranks * size, seed + unsigned(r), 20.0f));
  return all;
}

/// Rank r has elements r * size to (r + 1) * size of every sum.
template <class T> void expect_shares_of_sums(int ranks) {
  const float factor =
      has_codes<T>() && ranks > 1 ? ranks > 2 ? 0.25f : 0.5f : 1.0f;
  for (int64_t size : sizes) {
    const auto first = make_wholes<T>(ranks, size, 1),
               second = make_wholes<T>(ranks, size, 50);
    Network(ranks).run([&](const Fp8cCall *call, int rank) {
      std::vector<unsigned char> scratch = make_scratch();
      std::vector<T> a(static_cast<size_t>(size)), b = a;
      const void *from[] = {first[size_t(rank)].data(),
                            second[size_t(rank)].data()};
      float pairs[10];
      if constexpr (has_codes<T>()) {
        const SummedCodes codes[] = {
            {from[0], a.data(), pair, pairs, size},
            {from[1], b.data(), pair, pairs + 5, size}};
        reduce_scatter_codes<T>(call, codes, 2, scratch.data());
        EXPECT_EQ(pairs[5], 8 * factor);
        EXPECT_EQ(pairs[9], 0.125f / factor);
      } else {
        const Element element =
            std::is_same<T, bf16>::value ? Element::of_bf16 : Element::of_float;
        const Joined joined[] = {{from[0], a.data(), size, element},
                                 {from[1], b.data(), size, element}};
        reduce_scatter(call, joined, 2, Join::sum, scratch.data());
      }
      for (int64_t i = 0; i < size; ++i) {
        const int64_t at = rank * size + i;
        float totals[] = {-0.0f, -0.0f};
        for (int r = 0; r < ranks; ++r) {
          totals[0] += load(first[size_t(r)].data(), at);
          totals[1] += load(second[size_t(r)].data(), at);
        }
        T expected[2];
        store(expected, 0, totals[0] * factor);
        store(expected, 1, totals[1] * factor);
        EXPECT_EQ(load(a.data(), i), load(expected, 0))
            << ranks << " ranks, rank " << rank << ", element " << i << " of "
            << size;
        EXPECT_EQ(load(b.data(), i), load(expected, 1));
      }
    });
  }
}

TEST(Collectives, ScattersShares) {
  for (int ranks : {1, 2, 3}) {
    expect_shares_of_sums<float>(ranks);
    expect_shares_of_sums<bf16>(ranks);
    expect_shares_of_sums<e4m3>(ranks);
    expect_shares_of_sums<e5m2>(ranks);
  }
}

TEST(Collectives, ScattersMaxima) {
  const float of[2][4] = {{1, -2, 3, -4}, {-1, 2, 5, -6}};
  float found[2][2];
  Network(2).run([&](const Fp8cCall *call, int rank) {
    std::vector<unsigned char> scratch = make_scratch();
    const Joined joined = {of[rank], found[rank], 2, Element::of_float};
    reduce_scatter(call, &joined, 1, Join::max, scratch.data());
  });
  EXPECT_EQ(found[0][0], 1);
  EXPECT_EQ(found[0][1], 2);
  EXPECT_EQ(found[1][0], 5);
  EXPECT_EQ(found[1][1], -4);
}

/// Element i of what rank r has, as a number of its own.
int32_t label(int rank, int64_t i) { return rank * 10000 + int32_t(i); }
std::vector<int32_t> label_all(int rank, int64_t count) {
  std::vector<int32_t> all;
  for (int64_t i = 0; i < count; ++i)
    all.push_back(label(rank, i));
  return all;
}

TEST(Collectives, MovesShares) {
  for (int ranks : {1, 2, 3, 5})
    for (int64_t size : sizes)
      Network(ranks).run([&](const Fp8cCall *call, int rank) {
        const std::vector<int32_t> share = label_all(rank, size),
                                   whole = label_all(rank, size * ranks);
        std::vector<int32_t> gathered(whole.size()), exchanged(whole.size());
        const Moved gather = {share.data(), gathered.data(), 4 * size},
                    exchange = {whole.data(), exchanged.data(),
                                4 * size * ranks};
        all_gather(call, &gather, 1);
        all_to_all(call, &exchange, 1);
        for (int r = 0; r < ranks; ++r)
          for (int64_t i = 0; i < size; ++i) {
            EXPECT_EQ(gathered[size_t(r * size + i)], label(r, i));
            EXPECT_EQ(exchanged[size_t(r * size + i)],
                      label(r, rank * size + i));
          }
      });
}

/// A part starts at the process of its number, and is rounded by each that it
/// comes to. All tensors travel as one, and so do their parts.
template <class T> void expect_ring(int ranks) {
  auto inputs = make_tensors<T>(ranks, 1), tensors = inputs;
  std::vector<float> output_pairs(5 * size_t(ranks));
  Network(ranks).run([&](const Fp8cCall *call, int rank) {
    std::vector<unsigned char> scratch = make_scratch();
    Tensors<T> &own = tensors[size_t(rank)];
    std::vector<SummedCodes> codes;
    for (size_t t = 0; t < own.count(); ++t)
      codes.push_back({own.data(t), own.data(t), pair,
                       &output_pairs[5 * size_t(rank)], own.size(t)});
    sum_natively<T>(call, codes.data(), int(codes.size()), scratch.data());
  });
  Tensors<T> &any = inputs[0];
  const size_t last = any.count() - 1;
  const int64_t all = any.data(last) + any.size(last) - any.data(0),
                each = ((all + ranks - 1) / ranks + 15) / 16 * 16;
  for (size_t t = 0; t <= last; ++t)
    for (int64_t i = 0; i < any.size(t); ++i) {
      const auto first = int((any.data(t) - any.data(0) + i) / each);
      float total = inputs[size_t(first)].at(t, i);
      for (int hop = 1; hop < ranks; ++hop) {
        auto &next = inputs[size_t((first + hop) % ranks)];
        total = to_float(from_float<T>(total + next.at(t, i)));
      }
      for (auto &one : tensors)
        ASSERT_EQ(one.at(t, i), total)
            << ranks << " ranks, tensor " << t << ", element " << i;
    }
  EXPECT_EQ(output_pairs[0], 8);
  EXPECT_EQ(output_pairs[4], 0.125f);
}

TEST(Collectives, RingRoundsAtEveryHop) {
  for (int ranks : {1, 2, 3, 4, 7}) {
    expect_ring<e4m3>(ranks);
    expect_ring<e5m2>(ranks);
  }
}

TEST(Collectives, MuFollowsSaturation) {
  std::vector<e4m3> few(200000, from_float<e4m3>(1.0f)), many = few;
  few[7] = from_float<e4m3>(-448.0f); // one of 200,000: 0.0005 %
  for (size_t i = 0; i < 3; ++i)
    many[1000 * i] = from_float<e4m3>(448.0f);
  for (int ranks : {1, 2}) {
    float mus[] = {0.5f, 0.5f, 1.0f};
    Network(ranks).run([&](const Fp8cCall *call, int rank) {
      if (rank)
        return;
      const WatchedSum sums[] = {{&mus[0], few.data(), int64_t(few.size())},
                                 {&mus[1], many.data(), int64_t(many.size())},
                                 {&mus[2], few.data(), int64_t(few.size())}};
      adjust_mu<e4m3>(call, sums, 3, nullptr);
    });
    EXPECT_FLOAT_EQ(mus[0], ranks == 1 ? 0.5f : 0.5f * std::exp2(0.001f));
    EXPECT_FLOAT_EQ(mus[1], ranks == 1 ? 0.5f : 0.25f);
    EXPECT_EQ(mus[2], 1.0f); // never more
  }
}

} // namespace
