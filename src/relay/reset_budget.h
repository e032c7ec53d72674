#pragma once
// How many RST_STREAM one side may cause toward a pod: a burst, and what grows back in a second.

#include <algorithm>

#include "base/chrono.h"
#include "config/guards.h"

namespace sluice::relay {

// Keeps one point in time, as TokenBucket does; but the rate comes with each call, so that a reload
// holds at once.
class ResetBudget {
 public:
  // Nothing is refused where the guard is off (burst 0).
  bool left(const config::Rate& rate, Time now) const {
    if (rate.burst == 0) return true;
    return std::max(spent_until_, now) - now <= cost(rate) * int64_t{rate.burst - 1};
  }
  // One more; false when there was none left, and nothing is taken.
  bool take(const config::Rate& rate, Time now) {
    if (!left(rate, now)) return false;
    spent_until_ = std::max(spent_until_, now) + cost(rate);
    return true;
  }

 private:
  static Duration cost(const config::Rate& rate) {
    return Duration(1s) / std::max<int64_t>(rate.per_second, 1);
  }

  Time spent_until_{};
};

}  // namespace sluice::relay
