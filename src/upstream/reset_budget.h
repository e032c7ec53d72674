#pragma once
// A budget of RST_STREAM toward a pod: a burst, refilled with time.

#include <algorithm>

#include "base/chrono.h"
#include "config/guards.h"

namespace sluice::upstream {

struct ResetRate {
  uint32_t burst = 0;  // 0: no limit
  Duration each{};     // time until one more is refilled

  // parts: the rate is one of so many equal parts of `rate`.
  static ResetRate of(const config::Rate& rate, uint32_t parts = 1) {
    return {(rate.burst + parts - 1) / parts,
            Duration(1s) / std::max<int64_t>(rate.per_second, 1) * int64_t{parts}};
  }
};

// Keeps one point in time, as TokenBucket does. The rate comes with each call, so a reload takes
// effect at once.
class ResetBudget {
 public:
  // Nothing is refused where there is no limit.
  bool left(const ResetRate& rate, Time now) const { return rate.burst == 0 || next(rate) <= now; }
  // Takes one. False, and nothing taken, when there is none left.
  bool take(const ResetRate& rate, Time now) {
    if (!left(rate, now)) return false;
    spent_until_ = std::max(spent_until_, now) + rate.each;
    return true;
  }
  // The time at which there is one.
  Time next(const ResetRate& rate) const {
    return spent_until_ - rate.each * (int64_t{rate.burst} - 1);
  }
  // The number that is not refilled yet.
  int64_t spent(const ResetRate& rate, Time now) const {
    return (std::max(spent_until_, now) - now) / rate.each;
  }

 private:
  Time spent_until_{};
};

}  // namespace sluice::upstream
