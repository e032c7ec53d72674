#pragma once
// Whether a peer moves bytes that Sluice waits for at a minimum rate. Nothing is timed exactly: a
// connection is looked at once a http::Connection::kWatchPeriod, a second.

#include <cstdint>

#include "base/chrono.h"
#include "http/connection.h"

namespace sluice::http1 {

class RateWatch {
 public:
  void begin() { *this = {}; }

  // A look that found the peer awaited: `moved` bytes came since the look before. rate: bytes a
  // second; 0: any rate will do. True when the peer is further behind the rate than `grace` makes
  // good. The time before the first byte does not count, since a guard of its own bounds it.
  bool too_slow(uint64_t moved, uint32_t rate, Duration grace) {
    begun_ |= moved > 0;
    if (rate == 0 || !begun_) return false;
    static_assert(http::Connection::kWatchPeriod == 1s);
    const uint64_t due = behind_ + rate;
    behind_ = due > moved ? due - moved : 0;
    return behind_ > uint64_t{rate} * static_cast<uint64_t>(grace / 1s);
  }

 private:
  uint64_t behind_ = 0;  // bytes
  bool begun_ = false;
};

// The same for output: the peer is awaited for the bytes that were there at the look before.
class OutputRateWatch {
 public:
  // Positions of the transport's output, as StallWatch::output_stalled() has them.
  bool too_slow(uint64_t acknowledged, uint64_t end, uint32_t rate, Duration grace) {
    const uint64_t moved = acknowledged - acknowledged_;
    const bool all = acknowledged >= end_;
    acknowledged_ = acknowledged;
    end_ = end;
    if (all) watch_.begin();
    return !all && watch_.too_slow(moved, rate, grace);
  }
  // Nothing has come since the last look, and the peer has all that came before.
  bool still(uint64_t acknowledged, uint64_t end) const {
    return acknowledged >= end && end == end_;
  }

 private:
  uint64_t acknowledged_ = 0;  // at the last look
  uint64_t end_ = 0;
  RateWatch watch_;
};

}  // namespace sluice::http1
