#pragma once
// The least wait before a tail loss probe (RFC 8985, 7). Where a round trip takes microseconds, a
// peer that waits for its core answers later than two of them. Each needless probe doubles the wait
// of the next one, and each probe that repaired a loss halves it.

#include <cstdint>

#include "base/chrono.h"

namespace sluice::tcp {

class ProbeDelay {
 public:
  Duration least() const { return doublings_ == 0 ? Duration::zero() : kUnit * (1 << doublings_); }
  // The original of a probe was only late. usual: the wait of a probe without this delay.
  void needless(Duration usual) {
    do {
      if (doublings_ < kMost) ++doublings_;
    } while (doublings_ < kMost && least() <= usual);
  }
  void repaired() {
    if (doublings_ > 0) --doublings_;
  }

 private:
  static constexpr Duration kUnit = 500us;
  static constexpr uint8_t kMost = 9;  // 256 ms: beyond the floor of the timeout

  uint8_t doublings_ = 0;
};

}  // namespace sluice::tcp
