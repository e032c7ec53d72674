#pragma once
// How often a peer may still do what costs us more than it: a number of tokens for each kind, which
// grow back with time and with the work that is done for the peer (config/guards.h has the
// numbers). Nothing is computed before one kind runs out.

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/chrono.h"
#include "config/guards.h"

namespace sluice::http2 {

class Allowance {
 public:
  enum Kind : uint8_t {
    kResets,
    kProvokedResets,
    kSettings,
    kPings,
    kPriorities,
    kWindowUpdates,
    kUnknownFrames,
    kEmptyData,
    kTinyData,
    kPadding,
    kDribble,
    kTableSizes,
    kKinds
  };

  // Uses one token; false when there is none.
  bool take(Kind kind, const config::Guards& guards, Time now) {
    if (left_[kind] == 0) [[unlikely]]
      return refill_and_take(kind, guards, now);
    --left_[kind];
    return true;
  }

  // A frame of a stream was sent to the peer.
  void sent() { ++sent_; }
  // A stream came to its proper end.
  void completed() { ++completed_; }

 private:
  bool refill_and_take(Kind kind, const config::Guards& guards, Time now);

  std::array<uint32_t, kKinds> left_{};
  uint32_t sent_ = 0;  // both since the last refill
  uint32_t completed_ = 0;
  Time refilled_at_ = kNever;  // the first refill fills everything
};

}  // namespace sluice::http2
