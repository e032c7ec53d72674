#pragma once
// HyStart++ (RFC 9406): leaves slow start when the round trip grows, before the queue overflows.

#include <algorithm>
#include <cstdint>

#include "base/chrono.h"
#include "tcp/sequence.h"

namespace sluice::tcp {

class HyStart {
 public:
  enum class Verdict : uint8_t {
    kGrow,          // slow start
    kConservative,  // a quarter of slow start's growth
    kLeave,         // ssthresh becomes the current window
  };

  // One ACK in slow start. una: snd_una after it; sent: snd_nxt; rtt: zero without a measurement.
  Verdict on_ack(Seq una, Seq sent, Duration rtt) {
    if (una >= round_end_) {
      round_end_ = sent;
      last_min_ = current_min_;
      current_min_ = kNone;
      samples_ = 0;
      if (conservative_ && ++conservative_rounds_ >= kConservativeRounds) return Verdict::kLeave;
    }
    if (rtt > Duration::zero()) {
      current_min_ = std::min(current_min_, rtt);
      if (samples_ < 255) ++samples_;
    }
    if (samples_ >= kSamples && current_min_ != kNone) {
      if (!conservative_) {
        if (last_min_ != kNone) {
          const Duration threshold = std::clamp<Duration>(last_min_ / 8, kMinRise, kMaxRise);
          if (current_min_ >= last_min_ + threshold) {
            conservative_ = true;
            conservative_rounds_ = 0;
            baseline_ = current_min_;
          }
        }
      } else if (current_min_ < baseline_) {
        conservative_ = false;  // the rise was noise
        baseline_ = kNone;
      }
    }
    return conservative_ ? Verdict::kConservative : Verdict::kGrow;
  }

 private:
  // RFC 9406, 4.3.
  static constexpr Duration kMinRise = 4ms;
  static constexpr Duration kMaxRise = 16ms;
  static constexpr unsigned kSamples = 8;
  static constexpr unsigned kConservativeRounds = 5;
  static constexpr Duration kNone = Duration::max();

  Seq round_end_ = 0;
  Duration last_min_ = kNone;
  Duration current_min_ = kNone;
  Duration baseline_ = kNone;
  uint8_t samples_ = 0;
  uint8_t conservative_rounds_ = 0;
  bool conservative_ = false;
};

}  // namespace sluice::tcp
