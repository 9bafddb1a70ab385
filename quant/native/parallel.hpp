// Tasks handed out to threads of one call. A task writes only what is its own, so the result does
// not depend on how many threads there are or on who takes what.
#pragma once

#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

#include "memory.hpp"
#include "scratch.hpp"

namespace transfab {

// run(task, scratch) for every task in [0, tasks); it must not throw.
template <typename Run>
void ParallelFor(Index tasks, std::vector<Scratch>& scratch, Run run) {
  std::atomic<Index> next{0};
  const auto work = [&](Scratch& own) {
    for (Index task = next++; task < tasks; task = next++) run(task, own);
  };
  std::vector<std::thread> threads;
  const auto wanted = std::min(static_cast<Index>(scratch.size()), tasks);
  threads.reserve(scratch.size());
  try {
    for (Index i = 1; i < wanted; ++i) {
      threads.emplace_back(work, std::ref(scratch[static_cast<std::size_t>(i)]));
    }
  } catch (const std::system_error&) {
    // No more threads to be had: those that run, this one at least, take all tasks.
  }
  work(scratch.front());
  for (std::thread& thread : threads) thread.join();
}

}  // namespace transfab
