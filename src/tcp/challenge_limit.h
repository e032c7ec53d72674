#pragma once
// The limit on the challenge ACKs that a process sends (RFC 5961, 7).

#include <atomic>
#include <cstdint>

#include "base/chrono.h"
#include "base/hash.h"

namespace sluice::tcp {

// The number of challenge ACKs a second is near `limit` and differs from second to second. All
// connections of all workers share the number. If it was fixed, an attacker could count the answers
// on a connection of his own, and learn from them whether a forged segment fell into the window of
// another connection (CVE-2016-5696). When none is left, workers only read what they share.
class ChallengeLimit {
 public:
  ChallengeLimit(uint32_t limit, uint64_t seed) : limit_(limit), seed_(seed) {}

  bool take(Time now) {
    const auto second = static_cast<uint64_t>(now.time_since_epoch() / 1s) + 1;
    uint64_t state = state_.load(std::memory_order_relaxed);
    for (;;) {
      // The clocks of two workers differ by a turn: the later second stays.
      const uint64_t current = state >> kLeftBits < second ? fresh(second) : state;
      if ((current & kLeft) == 0) {
        if (current == state) return false;
        if (state_.compare_exchange_weak(state, current, std::memory_order_relaxed)) return false;
      } else if (state_.compare_exchange_weak(state, current - 1, std::memory_order_relaxed)) {
        return true;
      }
    }
  }

 private:
  static constexpr unsigned kLeftBits = 24;
  static constexpr uint64_t kLeft = (1u << kLeftBits) - 1;

  // A second, and the number of its challenge ACKs: a half to one and a half of the limit.
  uint64_t fresh(uint64_t second) const {
    const uint64_t number = limit_ / 2 + mix64(seed_ ^ mix64(second)) % (uint64_t{limit_} + 1);
    return (second << kLeftBits) | (number & kLeft);
  }

  const uint32_t limit_;
  const uint64_t seed_;
  std::atomic<uint64_t> state_{0};  // the second, and what is left of its number
};

}  // namespace sluice::tcp
