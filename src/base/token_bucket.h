#pragma once
// A rate limit: `rate` tokens a second, saved up to `burst`.

#include <algorithm>
#include <cstdint>

#include "base/chrono.h"

namespace sluice {

// Stores one point in time instead of a token count (the "virtual scheduling" form of the leaky
// bucket, ITU-T I.371): no fractions, no drift.
class TokenBucket {
 public:
  // rate: tokens a second, 0 for no limit. burst: at least 1.
  TokenBucket(uint64_t rate, uint64_t burst)
      : cost_(rate == 0 ? Duration::zero() : Duration(1'000'000'000 / static_cast<int64_t>(rate))),
        slack_(cost_ * static_cast<int64_t>(std::max<uint64_t>(burst, 1) - 1)) {}

  // Takes one token; false when there is none.
  bool take(Time now) {
    const Time start = std::max(full_at_, now);
    if (start - now > slack_) return false;
    full_at_ = start + cost_;
    return true;
  }

 private:
  Duration cost_;
  Duration slack_;
  Time full_at_{};
};

}  // namespace sluice
