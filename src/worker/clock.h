#pragma once
// The source of a worker's time: the time stamp counter, read once a turn.

#include <cstdint>

#include "base/chrono.h"
#include "nic/tsc.h"

namespace sluice::worker {

class TscClock {
 public:
  // hz: cycles a second.
  explicit TscClock(uint64_t hz)
      : multiplier_(
            static_cast<uint64_t>((static_cast<unsigned __int128>(1'000'000'000) << kShift) / hz)) {
  }

  uint64_t cycles() const { return nic::tsc(); }
  static constexpr uint64_t (*counter)() = nic::tsc;

  // The point in time of a reading, counted from zero of the counter, which is the start of the
  // machine.
  Time at(uint64_t cycles) const {
    const auto ns = (static_cast<unsigned __int128>(cycles) * multiplier_) >> kShift;
    return Time{Duration{static_cast<Duration::rep>(ns)}};
  }

 private:
  // Nanoseconds a cycle in 32.32 fixed point. The rounding adds less than a second in a hundred
  // years of uptime at 1 GHz and above; the error of `hz` comes on top.
  static constexpr unsigned kShift = 32;
  uint64_t multiplier_;
};

}  // namespace sluice::worker
