#pragma once
// The allowance of a peer: for each kind of frame that costs us more than the peer, a number of
// tokens. Tokens grow back with time and with the work that is done for the peer (config/guards.h
// has the numbers). Nothing is computed before one kind runs out.

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
    kEmptyNames,
    kKinds
  };

  // Uses one token; false when there is none.
  bool take(Kind kind, const config::Guards& guards, Time now) {
    if (left_[kind] == 0) [[unlikely]]
      return refill_and_take(kind, guards, now);
    --left_[kind];
    return true;
  }

  // A frame of a stream was sent to the peer, with `bytes` of DATA.
  void sent(uint32_t bytes = 0) {
    ++sent_;
    sent_bytes_ += bytes;
  }
  // `bytes` of DATA came from the peer, without padding.
  void received(uint32_t bytes) { received_bytes_ += bytes; }
  // A stream ended as it should.
  void completed() { ++completed_; }
  // The streams that ended so since the connection began.
  uint64_t completed_streams() const { return completed_; }

 private:
  bool refill_and_take(Kind kind, const config::Guards& guards, Time now);

  std::array<uint32_t, kKinds> left_{};
  // Since the last refill.
  uint32_t sent_ = 0;
  uint64_t sent_bytes_ = 0;
  uint64_t received_bytes_ = 0;
  Time refilled_at_ = kNever;       // the first refill fills everything
  uint64_t completed_ = 0;          // since the connection began
  uint64_t completed_counted_ = 0;  // the part of completed_ that the last refill knew
};

}  // namespace sluice::http2
