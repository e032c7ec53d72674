#pragma once
// A limit that holds for all workers of a process together. Workers lease shares of it in batches,
// so that taking and giving rarely touch the memory that they share.

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace sluice {

// The part of a limit that is leased, in a cache line of its own. For any thread.
class alignas(64) SharedLimit {
 public:
  // Leases up to n shares while no more than `limit` are leased; returns how many.
  uint32_t lease(uint32_t n, uint32_t limit) {
    uint32_t leased = leased_.load(std::memory_order_relaxed);
    for (;;) {
      const uint32_t got = leased < limit ? std::min(n, limit - leased) : 0;
      if (got == 0) return 0;
      if (leased_.compare_exchange_weak(leased, leased + got, std::memory_order_relaxed))
        return got;
    }
  }
  void give_back(uint32_t n) { leased_.fetch_sub(n, std::memory_order_relaxed); }
  uint32_t leased() const { return leased_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> leased_{0};
};

// One worker's shares of a limit: those in use, and a few idle ones for the next takers. The idle
// shares of all workers together are at most 5 % of the limit, so nothing is refused while more
// than that is free. With a limit below 20 times the number of workers, nobody keeps idle shares:
// the limit is exact.
class Lease {
 public:
  // nullptr: the limit is this worker's alone. `shared` outlives the lease.
  Lease(SharedLimit* shared, uint32_t workers) : shared_(shared), workers_(workers) {}
  Lease(const Lease&) = delete;
  ~Lease() {
    if (shared_ != nullptr) shared_->give_back(used_ + idle_);
  }

  // Takes one share. The limit comes with each call, so that a reload takes effect at once. False
  // when all are taken.
  bool take(uint32_t limit) {
    if (shared_ == nullptr) {
      if (used_ >= limit) return false;
    } else if (idle_ > 0 && shared_->leased() <= limit) {
      --idle_;
    } else if (!lease(limit)) {
      return false;
    }
    ++used_;
    return true;
  }
  void give(uint32_t limit) {
    --used_;
    if (shared_ == nullptr) return;
    ++idle_;
    // Half of the idle shares stay, so that one taker that comes and goes touches only its worker.
    if (const uint32_t most = most_idle(limit); idle_ > most) return_idle(idle_ - most / 2);
  }
  // After a reload: gives back the idle shares that are too many under the new limit. Otherwise the
  // shares of a worker without takers could be all that a lowered limit has.
  void settle(uint32_t limit) {
    if (const uint32_t most = most_idle(limit); idle_ > most) return_idle(idle_ - most);
  }
  uint32_t used() const { return used_; }

 private:
  uint32_t most_idle(uint32_t limit) const { return limit / (20 * workers_); }
  bool lease(uint32_t limit) {
    // A limit that was lowered may be exceeded by shares that are in use. Idle ones go first.
    return_idle(idle_);
    const uint32_t got = shared_->lease(1 + most_idle(limit), limit);
    if (got == 0) return false;
    idle_ = got - 1;
    return true;
  }
  void return_idle(uint32_t n) {
    if (n == 0) return;
    idle_ -= n;
    shared_->give_back(n);
  }

  SharedLimit* const shared_;
  const uint32_t workers_;
  uint32_t used_ = 0;
  uint32_t idle_ = 0;
};

}  // namespace sluice
