//===- ParallelFor.h - A loop over host threads -----------------*- C++ -*-===//

#ifndef FP8C_RUNTIME_CORE_PARALLELFOR_H
#define FP8C_RUNTIME_CORE_PARALLELFOR_H

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace fp8c::runtime {

/// Calls body(first, last) for consecutive ranges of 0 … count-1 of at most
/// `grain` each, in any order, on all processors. `body` must not throw.
template <class Body>
void parallelFor(uint64_t count, uint64_t grain, Body body) {
  std::atomic<uint64_t> next{0};
  auto work = [&] {
    for (uint64_t first; (first = next.fetch_add(grain)) < count;)
      body(first, first + grain < count ? first + grain : count);
  };
  uint64_t useful = (count + grain - 1) / grain;
  std::vector<std::thread> helpers;
  for (uint64_t i = 1; i < useful && i < std::thread::hardware_concurrency();
       ++i)
    helpers.emplace_back(work);
  work();
  for (std::thread &helper : helpers)
    helper.join();
}

} // namespace fp8c::runtime

#endif // FP8C_RUNTIME_CORE_PARALLELFOR_H
