#pragma once
// How long a connection has waited for its peer to take output, to complete a frame or a field
// block, to send and acknowledge SETTINGS. Nothing is timed exactly: a connection is looked at once
// a period, and the looks in a row that find the same thing waiting are counted.

#include <cstdint>

#include "base/chrono.h"
#include "http/connection.h"

namespace sluice::http {

class StallWatch {
 public:
  // True when `looks`, one a period, amount to `limit`. A limit of zero never ends.
  static bool over(uint16_t looks, Duration limit) {
    return limit > Duration::zero() && looks * Connection::kWatchPeriod >= limit;
  }

  // A look at the output, which ends at `end`. True when no byte of it was acknowledged for
  // `limit`.
  bool output_stalled(uint64_t acknowledged, uint64_t end, Duration limit) {
    const bool moved = acknowledged == end || acknowledged != acknowledged_;
    acknowledged_ = acknowledged;
    output_looks_ = moved ? 0 : output_looks_ + 1;
    return over(output_looks_, limit);
  }

  // The first byte of a frame or of a field block has arrived.
  void unfinished_begins() { unfinished_looks_ = 0; }
  // A look at what has arrived. True when the same frame or field block has waited for its end for
  // `limit`.
  bool unfinished_stalled(bool unfinished, Duration limit) {
    unfinished_looks_ = unfinished ? unfinished_looks_ + 1 : 0;
    return over(unfinished_looks_, limit);
  }

  // A look found that SETTINGS, or their ACK, are still missing.
  void settings_missing() { ++settings_looks_; }
  bool settings_late(Duration limit) const { return over(settings_looks_, limit); }

 private:
  uint64_t acknowledged_ = 0;  // output position at the last look
  uint16_t output_looks_ = 0;
  uint16_t unfinished_looks_ = 0;
  uint16_t settings_looks_ = 0;
};

}  // namespace sluice::http
