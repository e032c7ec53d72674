#pragma once
// The time of sans-IO rooms. A worker reads the clock once a loop turn and hands `now` down.
// Nothing below the worker may read a clock, so that a simulation can run in virtual time.

#include <chrono>
#include <cstdint>

namespace sluice {

// Has no now() on purpose: only worker::TscClock and the simulator make points in time.
struct MonotonicClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};

using Time = MonotonicClock::time_point;    // nanoseconds since an arbitrary start
using Duration = MonotonicClock::duration;  // nanoseconds, signed

inline constexpr Time kNever = Time::max();

using namespace std::chrono_literals;  // NOLINT: 200ms reads better than Duration(200'000'000)

}  // namespace sluice
