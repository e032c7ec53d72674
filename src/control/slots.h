#pragma once
// Hands out the small numbers that index the workers' counters. What stays in the configuration
// keeps its slot; what comes back before its slot went to something else gets it again, with its
// counts.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace sluice::control {

class Slots {
 public:
  // fn(slot): no worker has a stream or a connection on it.
  using Idle = std::function<bool(uint32_t)>;

  explicit Slots(size_t capacity) : owners_(capacity) {}

  // One slot for each key, in order; keys differ. Slots never used before come first; then those
  // of owners that a snapshot up to `adopted` (the oldest generation that any worker uses) removed
  // and that are idle. nullopt, with nothing changed, when there are not enough.
  // `reused` gets the slots that changed their owner.
  std::optional<std::vector<uint32_t>> assign(const std::vector<std::string>& keys,
                                              uint64_t generation, uint64_t adopted,
                                              const Idle& idle, std::vector<uint32_t>& reused);

  // The slots, in use or draining, that have an owner: fn(slot, key, in_use).
  template <class Fn>
  void for_each(Fn&& fn) const {
    for (uint32_t i = 0; i < used_; ++i) fn(i, owners_[i].key, owners_[i].removed_by == 0);
  }

 private:
  struct Owner {
    std::string key;
    uint64_t removed_by = 0;  // generation of the first snapshot without it; 0 while it is in use
  };

  std::vector<Owner> owners_;
  std::unordered_map<std::string, uint32_t> slot_of_;
  uint32_t used_ = 0;  // slots that ever had an owner: the first ones
};

}  // namespace sluice::control
