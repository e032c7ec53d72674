#pragma once
// Where a worker's time comes from: the time stamp counter, read once a turn.

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

  // The point in time of a reading: since the counter was zero, which is when the machine started.
  Time at(uint64_t cycles) const {
    const auto ns = (static_cast<unsigned __int128>(cycles) * multiplier_) >> kShift;
    return Time{Duration{static_cast<Duration::rep>(ns)}};
  }

 private:
  // Nanoseconds a cycle in 32.32 fixed point: less than a second wrong in a hundred years of uptime
  // at 1 GHz and above, on top of what `hz` is wrong.
  static constexpr unsigned kShift = 32;
  uint64_t multiplier_;
};

}  // namespace sluice::worker
