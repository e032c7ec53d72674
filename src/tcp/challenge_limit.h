#pragma once
// How many challenge ACKs leave a worker (RFC 5961, 7).

#include <cstdint>

#include "base/chrono.h"
#include "base/random.h"

namespace sluice::tcp {

// A number a second that changes with every second, around `limit`: a fixed one, shared by all
// connections, tells a stranger who counts the answers to his own whether a forged segment fell
// into the window of somebody else's (CVE-2016-5696).
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
