#pragma once
// Assigns slots: the small numbers that index the workers' counters. A thing that stays in the
// configuration keeps its slot. A thing that comes back gets its slot and counts again, unless the
// slot was given to something else meanwhile.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace sluice::control {

class Slots {
 public:
  // fn(slot): whether no worker has a stream or a connection on the slot.
  using Idle = std::function<bool(uint32_t)>;
  // Of the snapshot for which slots are assigned.
  struct When {
    uint64_t generation;
    uint64_t adopted;  // the oldest generation that any worker uses
  };

  // Up to so many, slots that were never used come first. Memory of counters is touched with their
  // first use, so further ones are used only when no slot has been free for kRested.
  static constexpr size_t kFreshFirst = 8'192;
  static constexpr std::chrono::minutes kRested{5};

  explicit Slots(size_t capacity) : owners_(capacity) {}

  // One slot for each key, in order; keys differ. Things with other keys leave. Slots that were
  // never used come before idle slots whose owners a snapshot up to `adopted` removed. nullopt,
  // with nothing changed, when there are not enough. `reused` gets the slots that changed their
  // owner.
  std::optional<std::vector<uint32_t>> assign(const std::vector<std::string>& keys,
                                              uint64_t generation, uint64_t adopted,
                                              const Idle& idle, std::vector<uint32_t>& reused);

  // As assign(), for a few things among many: those with the keys `come` (none of them has a slot
  // now), and those with the slots `leave` have left. The answer has the slots of `come`.
  std::optional<std::vector<uint32_t>> change(std::span<const std::string> come,
                                              std::span<const uint32_t> leave, When when,
                                              const Idle& idle, std::vector<uint32_t>& reused);

  // Calls fn(slot, key, in_use) for the slots that have an owner, in use or draining.
  template <class Fn>
  void for_each(Fn&& fn) const {
    for (uint32_t i = 0; i < used_; ++i) fn(i, owners_[i].key, owners_[i].removed_by == 0);
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Owner {
    std::string key;
    uint64_t removed_by = 0;  // generation of the first snapshot without it; 0 while it is in use
    Clock::time_point removed_at{};
  };

  std::vector<Owner> owners_;
  std::unordered_map<std::string, uint32_t> slot_of_;
  uint32_t used_ = 0;  // slots that ever had an owner: those below it
};

}  // namespace sluice::control
