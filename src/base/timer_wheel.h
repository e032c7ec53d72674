#pragma once
// Hierarchical timing wheel (Varghese and Lauck, 1987, scheme 6): constant-time arm and disarm,
// one per worker.

#include <array>
#include <cstdint>

#include "base/chrono.h"
#include "base/list.h"

namespace sluice {

class TimerWheel;

// A timer, as a member of the object that it wakes. Destroying an armed timer disarms it.
class Timer : private ListHook<Timer> {
 public:
  // fire(owner, now) runs on the worker after the deadline; it may arm this or any other timer.
  using Fire = void (*)(void* owner, Time now);
  Timer(Fire fire, void* owner) : fire_(fire), owner_(owner) {}

  bool armed() const { return linked(); }
  Time deadline() const { return armed() ? deadline_ : kNever; }
  void disarm() { unlink(); }

 private:
  friend class TimerWheel;
  friend class List<Timer, Timer>;
  Fire fire_;
  void* owner_;
  Time deadline_{};
};

class TimerWheel {
 public:
  static constexpr Duration kTick{65'536};  // 65.5 us: finer than any RTT that needs a timer

  explicit TimerWheel(Time now) : now_tick_(tick_of(now)) {}

  // An armed timer moves to the new deadline. Fires at the first advance() at or after `deadline`,
  // up to one tick late, never early.
  void arm(Timer& timer, Time deadline) {
    timer.unlink();
    timer.deadline_ = deadline;
    place(timer, now_tick_ + 1);
  }

  // Fires what is due at `now`, in tick order.
  void advance(Time now);

  // A lower bound of the next deadline; kNever when no timer is armed. For simulations, which jump.
  Time next() const;

 private:
  static constexpr unsigned kSlotBits = 8;
  static constexpr unsigned kSlots = 1u << kSlotBits;
  static constexpr unsigned kLevels = 4;  // 2^32 ticks: 78 hours; later deadlines wait at the rim

  static uint64_t tick_of(Time t) {
    return static_cast<uint64_t>(t.time_since_epoch().count()) / kTick.count();
  }
  static uint64_t tick_after(Time t) {  // first tick whose start is not before t
    return (static_cast<uint64_t>(t.time_since_epoch().count()) + kTick.count() - 1) /
           static_cast<uint64_t>(kTick.count());
  }
  void place(Timer& timer, uint64_t earliest);
  void cascade(unsigned level);
  // The first tick after now at which a slot with timers fires or is cascaded; UINT64_MAX without
  // timers.
  uint64_t first_used_tick() const;

  // Longer gaps, which only a sleep makes, cost a look at all slots instead of a look at each tick:
  // 34 ms.
  static constexpr uint64_t kLongGap = 512;

  using Slot = List<Timer, Timer>;
  uint64_t now_tick_;  // every timer due at or before this tick has fired
  mutable std::array<std::array<Slot, kSlots>, kLevels> slots_;
};

}  // namespace sluice
