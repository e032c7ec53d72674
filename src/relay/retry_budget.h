#pragma once
// The retry budget of a service: a share of the calls that it gets, and a few retries a second
// besides (as in Finagle and Linkerd). When every call fails, pods get at most that much more work.

#include <algorithm>
#include <cstdint>

#include "base/token_bucket.h"

namespace sluice::relay {

class RetryBudget {
 public:
  RetryBudget(uint32_t percent, uint32_t per_second)
      : percent_(percent), per_second_(per_second), floor_(per_second, per_second) {}

  // A call begins.
  void earn() { saved_ = std::min(saved_ + percent_, kMost); }
  // Takes one retry. False when the budget is used up.
  bool take(Time now) {
    if (saved_ >= kPrice) {
      saved_ -= kPrice;
      return true;
    }
    return per_second_ > 0 && floor_.take(now);
  }

 private:
  static constexpr uint32_t kPrice = 100;            // a call earns hundredths of a retry
  static constexpr uint32_t kMost = 1'000 * kPrice;  // savings of calm hours, for a bad second

  uint32_t percent_;
  uint32_t per_second_;
  uint32_t saved_ = 0;
  TokenBucket floor_;
};

}  // namespace sluice::relay
