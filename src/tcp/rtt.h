#pragma once
// Round-trip time and retransmission timeout (RFC 6298).

#include <algorithm>

#include "base/chrono.h"

namespace sluice::tcp {

class RttEstimator {
 public:
  bool measured() const { return srtt_ != Duration::zero(); }
  Duration smoothed() const { return srtt_; }
  Duration variance() const { return rttvar_; }
  // The path's propagation delay: the smallest round trip of the last kMinWindow to twice that
  // time.
  Duration minimum() const { return std::min(min_, previous_min_); }

  void sample(Duration rtt, Time now) {
    rtt = std::max(rtt, kGranularity);
    if (!measured()) {
      srtt_ = rtt;
      rttvar_ = rtt / 2;
    } else {
      const Duration error = rtt > srtt_ ? rtt - srtt_ : srtt_ - rtt;
      rttvar_ += (error - rttvar_) / 4;
      srtt_ += (rtt - srtt_) / 8;
    }
    if (now >= window_end_) {
      previous_min_ = window_end_ == Time{} ? kNone : min_;
      min_ = rtt;
      window_end_ = now + kMinWindow;
    }
    min_ = std::min(min_, rtt);
  }

  // Without backoff. min_rto is a floor for what is added to the round trip, and not for the sum as
  // in RFC 6298, 2.4. The variance of a quiet path is near zero, and on a long path a floor of the
  // sum would leave no time for a queue that fills or an ACK that the peer delays.
  Duration rto(Duration initial, Duration min_rto, Duration max_rto) const {
    if (!measured()) return initial;
    return std::min(srtt_ + std::max(min_rto, 4 * rttvar_), max_rto);
  }

 private:
  static constexpr Duration kGranularity = 1us;
  // A path that has changed is believed after this time.
  static constexpr Duration kMinWindow = 300s;
  static constexpr Duration kNone = Duration::max();

  Duration srtt_{};
  Duration rttvar_{};
  Duration min_ = kNone;
  Duration previous_min_ = kNone;
  Time window_end_{};
};

}  // namespace sluice::tcp
