#pragma once
// How long tail loss probes (RFC 8985, 7) wait at least. Where a round trip takes microseconds, a
// peer that waits for its core is later than two of them: each probe that was needless doubles what
// the next one waits, and each that repaired a loss halves it.

#include <cstdint>

#include "base/chrono.h"

namespace sluice::tcp {

class ProbeDelay {
 public:
  Duration least() const { return doublings_ == 0 ? Duration::zero() : kUnit * (1 << doublings_); }
  // The original of a probe was only late. usual: what a probe waits without delay.
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
