#include "relay/call_timers.h"

#include <algorithm>

namespace sluice::relay {

void CallTimers::arm(TimerWheel& wheel) {
  look_at_idleness();
  Time next = kNever;
  for (const Time end : ends_) next = std::min(next, end);
  if (next == kNever) {
    timer_.disarm();
  } else if (next != timer_.deadline()) {
    wheel.arm(timer_, next);
  }
}

CallTimers::Limit CallTimers::due(Time now) {
  look_at_idleness();
  const auto passed =
      std::find_if(ends_.begin(), ends_.end(), [&](Time end) { return now >= end; });
  return static_cast<Limit>(passed - ends_.begin());
}

Time CallTimers::call_ends() {
  look_at_idleness();
  return std::min(
      {end(Limit::kDeadline), end(Limit::kCallTimeout), end(Limit::kMaxAge), end(Limit::kIdle)});
}

void CallTimers::begin_wait(TimerWheel& wheel, Time now, Duration most) {
  wait_began_ = now;
  set(Limit::kWait, now + std::max(most - waited_, Duration::zero()));
  arm(wheel);
}

void CallTimers::end_wait(Time now) {
  waited_ += now - wait_began_;
  clear(Limit::kWait);
}

}  // namespace sluice::relay
