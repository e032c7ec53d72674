#pragma once
// The sleep of a worker that has nothing to do. It ends with whatever can wake the worker: a frame
// at a port that has a descriptor, packets of another worker, an order, or the next timer.

#include <atomic>
#include <vector>

#include "base/chrono.h"

namespace sluice::worker {

class Sleeper {
 public:
  // A worker sleeps after it has found nothing to do for so long. Under load nobody sleeps.
  static constexpr Duration kPatience = 50us;
  // The longest sleep, which bounds the delay of whatever has no wake() of its own.
  static constexpr Duration kLongest = 10ms;
  // The longest sleep where a port has no descriptor, and so cannot end it.
  static constexpr Duration kNap = 50us;

  // descriptors: one for each port of the worker, readable while a frame waits, or an eventfd that
  // is written to when a frame comes; -1: the port has none. Throws std::system_error.
  explicit Sleeper(const std::vector<int>& descriptors);
  Sleeper(const Sleeper&) = delete;
  ~Sleeper();

  // Once, on the worker's own thread: its sleeps end on time (timer slack of 1 ns).
  static void begin_thread();

  // The worker says that it is about to sleep, and then looks once more at everything. So a
  // wake() or a frame that comes after that look is not lost.
  void announce() {
    announced_.store(true, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  void cancel() { announced_.store(false, std::memory_order_relaxed); }
  bool announced() const { return announced_.load(std::memory_order_relaxed); }
  // Sleeps for `longest` at most.
  void sleep(Duration longest);

  // For any thread: ends the sleep, and costs a load while there is none. Call it after writing
  // whatever the worker shall find.
  void wake() {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    // One of several that wake the worker at the same time is enough.
    if (announced_.load(std::memory_order_relaxed) && announced_.exchange(false)) ring();
  }

 private:
  void add(int descriptor, uint32_t events);
  void ring();

  bool deaf_ = false;  // a port has no descriptor
  int epoll_ = -1;
  int event_ = -1;  // of ring()
  // Written by the worker when it goes to sleep, and by the first that wakes it.
  alignas(64) std::atomic<bool> announced_{false};
};

}  // namespace sluice::worker
