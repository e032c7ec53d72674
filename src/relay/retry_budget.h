#pragma once
// The retry budget of a service: a share of the calls that it gets, and a few retries a second
// besides (as in Finagle and Linkerd). When every call fails, pods get at most that much more work.
// The budget belongs to all workers of the process.

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "base/chrono.h"

namespace sluice::relay {

// The part of a service's retry budget that all workers share. For any thread.
class alignas(64) SharedRetryBudget {
 public:
  // Adds savings, up to `most` in all; returns the part that found no room.
  uint32_t save(uint32_t n, uint32_t most) {
    uint32_t saved = saved_.load(std::memory_order_relaxed);
    for (;;) {
      const uint32_t added = saved < most ? std::min(n, most - saved) : 0;
      if (added == 0 ||
          saved_.compare_exchange_weak(saved, saved + added, std::memory_order_relaxed))
        return n - added;
    }
  }
  // Takes all of `n` or nothing.
  bool spend(uint32_t n) {
    uint32_t saved = saved_.load(std::memory_order_relaxed);
    while (saved >= n)
      if (saved_.compare_exchange_weak(saved, saved - n, std::memory_order_relaxed)) return true;
    return false;
  }
  // One of the retries that are allowed each second: a token bucket as in base/token_bucket.h, with
  // the rate as burst.
  bool take(uint32_t per_second, Time now) {
    const int64_t cost = 1'000'000'000 / int64_t{per_second};
    const int64_t slack = cost * (int64_t{per_second} - 1);
    int64_t full = full_at_.load(std::memory_order_relaxed);
    for (;;) {
      const int64_t start = std::max(full, now.time_since_epoch().count());
      if (start - now.time_since_epoch().count() > slack) return false;
      if (full_at_.compare_exchange_weak(full, start + cost, std::memory_order_relaxed))
        return true;
    }
  }

  void clear() { saved_.store(0, std::memory_order_relaxed); }

  // A worker's service begins, or ends, to use it. The next service in the slot saves for itself.
  void enter() { users_.fetch_add(1, std::memory_order_relaxed); }
  void leave() {
    if (users_.fetch_sub(1, std::memory_order_acq_rel) == 1) clear();
  }

 private:
  std::atomic<uint32_t> saved_{0};
  std::atomic<uint32_t> users_{0};
  std::atomic<int64_t> full_at_{0};
};

// A worker's part of the budget. What its calls earn it keeps until that is its share of 5 % of the
// savings; then all goes to the shared part. So at most 5 % lies with other workers when a retry is
// refused.
class RetryBudget {
 public:
  // shared: outlives the budget.
  RetryBudget(uint32_t percent, uint32_t per_second, SharedRetryBudget& shared, uint32_t workers)
      : percent_(percent), per_second_(per_second), keep_(kMost / 20 / workers), shared_(shared) {
    shared_.enter();
  }
  RetryBudget(const RetryBudget&) = delete;
  ~RetryBudget() { shared_.leave(); }

  // A reload changed the policy: the savings begin anew.
  void adopt(uint32_t percent, uint32_t per_second) {
    saved_ = 0;
    shared_.clear();
    percent_ = percent;
    per_second_ = per_second;
  }

  // A call begins.
  void earn() {
    saved_ += percent_;
    if (saved_ > keep_) [[unlikely]]
      saved_ = std::min(shared_.save(saved_, kMost - kMost / 20), keep_);
  }
  // Takes one retry. False when the budget is used up.
  bool take(Time now) {
    if (saved_ >= kPrice) {
      saved_ -= kPrice;
      return true;
    }
    // The rest may lie here in part.
    if (shared_.spend(kPrice - saved_)) {
      saved_ = 0;
      return true;
    }
    return per_second_ > 0 && shared_.take(per_second_, now);
  }

 private:
  static constexpr uint32_t kPrice = 100;            // a call earns hundredths of a retry
  static constexpr uint32_t kMost = 1'000 * kPrice;  // savings of calm hours, for a bad second

  uint32_t percent_;
  uint32_t per_second_;
  const uint32_t keep_;
  uint32_t saved_ = 0;
  SharedRetryBudget& shared_;
};

}  // namespace sluice::relay
