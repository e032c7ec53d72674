#pragma once
// Tokens of one connection against a config::Rate, which may change at any time.

#include <algorithm>
#include <cstdint>

#include "base/chrono.h"
#include "config/guards.h"

namespace sluice::tls {

class RateLimit {
 public:
  // Takes a token; false when there is none. Tokens grow back in whole seconds, so that no fraction
  // is lost.
  bool take(const config::Rate& rate, Time now) {
    if (rate.burst == 0) return true;
    if (!begun_) {
      begun_ = true;
      left_ = rate.burst;
      grown_at_ = now;
    }
    const auto seconds = static_cast<uint64_t>(std::max(now - grown_at_, Duration{}) / 1s);
    grown_at_ += static_cast<int64_t>(seconds) * Duration(1s);
    left_ = std::min<uint64_t>(left_ + seconds * rate.per_second, rate.burst);
    if (left_ == 0) return false;
    --left_;
    return true;
  }

 private:
  uint64_t left_ = 0;
  Time grown_at_{};
  bool begun_ = false;
};

}  // namespace sluice::tls
