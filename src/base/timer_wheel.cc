#include "base/timer_wheel.h"

#include <algorithm>

namespace sluice {

void TimerWheel::place(Timer& timer, uint64_t earliest) {
  constexpr uint64_t kReach = (uint64_t{1} << (kSlotBits * kLevels)) - 1;
  uint64_t due = std::max(tick_after(timer.deadline_), earliest);
  due = std::min(due, now_tick_ + kReach);
  // The level is the highest digit (base 256) in which the due tick differs from now.
  const uint64_t differs = due ^ now_tick_;
  unsigned level = 0;
  while (level + 1 < kLevels && (differs >> (kSlotBits * (level + 1))) != 0) ++level;
  slots_[level][(due >> (kSlotBits * level)) & (kSlots - 1)].push_back(timer);
}

void TimerWheel::cascade(unsigned level) {
  if (level >= kLevels) return;
  const uint64_t index = (now_tick_ >> (kSlotBits * level)) & (kSlots - 1);
  if (index == 0) cascade(level + 1);
  Slot moving;
  moving.splice_back(slots_[level][index]);
  // Timers that are due at this very tick land in the slot that advance() is about to run.
  while (Timer* t = moving.pop_front()) place(*t, now_tick_);
}

uint64_t TimerWheel::first_used_tick() const {
  for (unsigned level = 0; level < kLevels; ++level) {
    const unsigned shift = kSlotBits * level;
    for (uint64_t at = (now_tick_ >> shift) + 1; at <= (now_tick_ >> shift) + kSlots; ++at)
      if (!slots_[level][at & (kSlots - 1)].empty()) return at << shift;
  }
  return UINT64_MAX;
}

void TimerWheel::advance(Time now) {
  const uint64_t target = tick_of(now);
  while (now_tick_ < target) {
    if (target - now_tick_ > kLongGap) now_tick_ = std::min(target, first_used_tick()) - 1;
    ++now_tick_;
    const uint64_t index = now_tick_ & (kSlots - 1);
    if (index == 0) cascade(1);
    Slot& slot = slots_[0][index];
    if (slot.empty()) continue;
    Slot due;
    due.splice_back(slot);
    while (Timer* t = due.pop_front()) t->fire_(t->owner_, now);
  }
}

Time TimerWheel::next() const {
  uint64_t earliest = UINT64_MAX;
  for (unsigned level = 0; level < kLevels; ++level) {
    const bool at_rim =
        level + 1 == kLevels;  // there, a slot may hold timers that are due in later laps
    const uint64_t base = now_tick_ >> (kSlotBits * level);
    for (uint64_t i = 1; i <= kSlots; ++i) {
      for (Timer& t : slots_[level][(base + i) & (kSlots - 1)])
        earliest = std::min(earliest, tick_after(t.deadline_));
      if (earliest != UINT64_MAX && !at_rim) break;
    }
    if (earliest != UINT64_MAX) break;
  }
  if (earliest == UINT64_MAX) return kNever;
  return Time(Duration(static_cast<int64_t>(std::max(earliest, now_tick_ + 1)) * kTick.count()));
}

}  // namespace sluice
