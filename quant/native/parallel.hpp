// Tasks spread over threads that outlive the call; the result does not depend on who runs what.
//
// A thread that is made or woken often starts on its caller's core and is moved only when the loop
// is over, so workers are kept off that core. A caller never waits for a busy pool: what no worker
// has begun, it runs itself.
#pragma once

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "memory.hpp"
#include "scratch.hpp"

namespace transfab {

class Pool {
 public:
  // The pool of this process; a forked child has none of its parent's threads and gets its own.
  static Pool& Get() {
    static std::mutex mutex;
    static Pool* pool = nullptr;
    static pid_t owner = 0;
    const std::lock_guard<std::mutex> lock(mutex);
    if (pool == nullptr || owner != getpid()) {
      pool = new Pool;  // never freed: its threads wait until the process ends
      owner = getpid();
    }
    return *pool;
  }

  // Calls work here and on up to `helpers` workers at once; returns when all calls have.
  void Run(std::size_t helpers, const std::function<void()>& work) {
    Job job{&work, helpers, 0};
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      Grow(helpers);
      KeepOffThisCore();
      jobs_.push_back(&job);
      waiting_.store(jobs_.size(), std::memory_order_release);
    }
    wake_.notify_all();
    work();
    std::unique_lock<std::mutex> lock(mutex_);
    job.wanted = 0;
    jobs_.remove(&job);
    waiting_.store(jobs_.size(), std::memory_order_release);
    done_.wait(lock, [&job] { return job.running == 0; });
  }

 private:
  struct Job {
    const std::function<void()>* work;
    std::size_t wanted;   // workers that may still join
    std::size_t running;  // workers that have joined and not returned
  };

  void Grow(std::size_t helpers) {
    try {
      while (workers_.size() < helpers) {
        std::thread worker([this] { Serve(); });
        workers_.push_back(worker.native_handle());
        worker.detach();
        core_ = -1;
      }
    } catch (const std::system_error&) {
      // No more threads to be had: those that run, the caller at least, take all tasks.
    }
  }

  void KeepOffThisCore() {
#ifdef __linux__
    const int core = sched_getcpu();
    cpu_set_t cores;
    if (core == core_ || sched_getaffinity(0, sizeof(cores), &cores) != 0) return;
    core_ = core;
    if (CPU_COUNT(&cores) > 1 && core >= 0) CPU_CLR(static_cast<std::size_t>(core), &cores);
    for (const pthread_t worker : workers_) pthread_setaffinity_np(worker, sizeof(cores), &cores);
#endif
  }

  void Serve() {
    for (;;) {
      // A layer's loops follow each other within microseconds: look a while before sleeping.
      for (int look = 0; look < kLooks && waiting_.load(std::memory_order_acquire) == 0; ++look) {
        std::this_thread::yield();
      }
      std::unique_lock<std::mutex> lock(mutex_);
      Job* job = nullptr;
      wake_.wait(lock, [this, &job] {
        const auto found = std::find_if(jobs_.begin(), jobs_.end(),
                                        [](const Job* candidate) { return candidate->wanted > 0; });
        job = found == jobs_.end() ? nullptr : *found;
        return job != nullptr;
      });
      --job->wanted;
      ++job->running;
      lock.unlock();
      (*job->work)();
      lock.lock();
      if (--job->running == 0) done_.notify_all();
    }
  }

  static constexpr int kLooks = 1000;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  std::list<Job*> jobs_;
  std::atomic<std::size_t> waiting_{0};
  std::vector<pthread_t> workers_;
  int core_ = -1;  // the caller's, when the workers were last kept off it
};

// run(task, scratch) for every task in [0, tasks), on one thread a scratch; it must not throw.
template <typename Run>
void ParallelFor(Index tasks, std::vector<Scratch>& scratch, Run run) {
  std::atomic<Index> next{0};
  std::atomic<std::size_t> joined{0};
  const std::function<void()> work = [&] {
    Scratch& own = scratch[joined++];
    for (Index task = next++; task < tasks; task = next++) run(task, own);
  };
  const auto threads = std::min(static_cast<Index>(scratch.size()), tasks);
  if (threads > 1) {
    Pool::Get().Run(static_cast<std::size_t>(threads - 1), work);
  } else {
    work();
  }
}

}  // namespace transfab
