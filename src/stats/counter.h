#pragma once
// The numbers that a worker writes and control reads. One writer. A load and a store cost as much
// as a plain increment, and a reader sees each number whole.

#include <atomic>
#include <cstdint>

namespace sluice::stats {

// Only grows.
class Counter {
 public:
  void add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  Counter& operator++() {
    add();
    return *this;
  }
  // For counts that something else keeps (a driver, a pool), and that the worker copies.
  void set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Goes up and down.
class Gauge {
 public:
  void set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  void add(uint64_t n = 1) { set(get() + n); }
  void sub(uint64_t n = 1) { set(get() - n); }
  Gauge& operator++() {
    add();
    return *this;
  }
  Gauge& operator--() {
    sub();
    return *this;
  }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace sluice::stats
