#pragma once
// The deadlines of a call, and the one timer that they share.

#include <array>
#include <cstdint>

#include "base/chrono.h"
#include "base/timer_wheel.h"

namespace sluice::relay {

class CallTimers {
 public:
  // In order of precedence when several have passed. Those up to kIdle end the call.
  enum class Limit : uint8_t {
    kDeadline,     // by grpc-timeout
    kCallTimeout,  // `call_timeout`
    kMaxAge,       // `max_stream_age`
    kIdle,         // `stream_idle_timeout`
    kWait,         // `queue_timeout`
    kTry,          // `per_try_timeout`
    kBackoff,      // between two attempts by the retry policy
    kRefused,      // all pods refused the call: when they are asked again
    kNone,
  };

  // fire(owner, now) is called when a limit may be due; `owner` then calls due().
  CallTimers(Timer::Fire fire, void* owner, Time now)
      : timer_(fire, owner), arrived_(now), active_at_(now) {}

  // Takes effect with the next arm().
  void set(Limit limit, Time end) { end_of(limit) = end; }
  void clear(Limit limit) { end_of(limit) = kNever; }
  Time end(Limit limit) const { return ends_[static_cast<size_t>(limit)]; }
  // The longest silence before the call ends; zero: no limit.
  void set_idle_timeout(Duration timeout) { idle_timeout_ = timeout; }
  Duration idle_timeout() const { return idle_timeout_; }

  // Arms the timer for the earliest limit. When a limit has moved to a later time since, the timer
  // fires too early and is armed again.
  void arm(TimerWheel& wheel);
  void disarm() { timer_.disarm(); }
  // The first limit that has passed.
  Limit due(Time now);
  // The call waits for the time of its next attempt.
  bool between_attempts() const {
    return end(Limit::kBackoff) != kNever || end(Limit::kRefused) != kNever;
  }
  // The latest time at which the call ends, by the limits as they are now.
  Time call_ends();

  Time arrived() const { return arrived_; }
  // When DATA last passed, in either direction.
  Time active_at() const { return active_at_; }
  void moved(Time now) { active_at_ = now; }

  // The call begins to wait for a pod. All waits of the call together last at most `most`.
  void begin_wait(TimerWheel& wheel, Time now, Duration most);
  void end_wait(Time now);
  Time wait_began() const { return wait_began_; }
  // The time of an attempt that was never sent counts as a wait.
  void count_as_wait(Duration time) { waited_ += time; }
  // A call that has not waited yet may be tried again even where no call may wait.
  bool waited_too_long(Duration most) const {
    return waited_ >= most && waited_ > Duration::zero();
  }

 private:
  static constexpr size_t kLimits = static_cast<size_t>(Limit::kNone);
  static_assert(kLimits == 8);  // ends_

  Time& end_of(Limit limit) { return ends_[static_cast<size_t>(limit)]; }
  void look_at_idleness() {
    end_of(Limit::kIdle) = idle_timeout_ > Duration::zero() ? active_at_ + idle_timeout_ : kNever;
  }

  Timer timer_;
  const Time arrived_;
  Time active_at_;
  Duration idle_timeout_{};
  Time wait_began_{};
  Duration waited_{};  // for a pod, or in attempts that were never sent
  std::array<Time, kLimits> ends_{kNever, kNever, kNever, kNever, kNever, kNever, kNever, kNever};
};

}  // namespace sluice::relay
