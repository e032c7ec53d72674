#pragma once
// The limit on the challenge ACKs that one worker sends (RFC 5961, 7).

#include <cstdint>

#include "base/chrono.h"
#include "base/random.h"

namespace sluice::tcp {

// The number of challenge ACKs a second is near `limit` and differs from second to second. All
// connections share the number. If it was fixed, an attacker could count the answers on a
// connection of his own, and learn from them whether a forged segment fell into the window of
// another connection (CVE-2016-5696).
class ChallengeLimit {
 public:
  ChallengeLimit(uint32_t limit, uint64_t seed) : limit_(limit), random_(seed) {}

  bool take(Time now) {
    if (now >= ends_) {
      ends_ = now + 1s;
      left_ = limit_ / 2 + static_cast<uint32_t>(random_.below(limit_ + 1));
    }
    if (left_ == 0) return false;
    --left_;
    return true;
  }

 private:
  const uint32_t limit_;
  uint32_t left_ = 0;
  Time ends_{};
  Random random_;
};

}  // namespace sluice::tcp
