#pragma once
// What TCP counts. One writer, the worker; readers see each counter whole.

#include <atomic>
#include <cstdint>

namespace sluice::tcp {

class Counter {
 public:
  void add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  Counter& operator++() {
    add();
    return *this;
  }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct Counters {
  Counter segments_in, segments_out;
};

}  // namespace sluice::tcp
