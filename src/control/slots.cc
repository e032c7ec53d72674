#include "control/slots.h"

#include <unordered_set>

namespace sluice::control {

std::optional<std::vector<uint32_t>> Slots::assign(const std::vector<std::string>& keys,
                                                   uint64_t generation, uint64_t adopted,
                                                   const Idle& idle,
                                                   std::vector<uint32_t>& reused) {
  const std::unordered_set<std::string> wanted(keys.begin(), keys.end());
  std::vector<uint32_t> out(keys.size());
  std::vector<std::string> come;
  std::vector<size_t> places;
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto it = slot_of_.find(keys[i]);
    if (it != slot_of_.end() && owners_[it->second].removed_by == 0) {
      out[i] = it->second;
    } else {
      come.push_back(keys[i]);
      places.push_back(i);
    }
  }
  std::vector<uint32_t> leave;
  for (uint32_t i = 0; i < used_; ++i)
    if (owners_[i].removed_by == 0 && !wanted.contains(owners_[i].key)) leave.push_back(i);
  const auto slots = change(come, leave, {generation, adopted}, idle, reused);
  if (!slots) return std::nullopt;
  for (size_t i = 0; i < places.size(); ++i) out[places[i]] = (*slots)[i];
  return out;
}

std::optional<std::vector<uint32_t>> Slots::change(std::span<const std::string> come,
                                                   std::span<const uint32_t> leave, When when,
                                                   const Idle& idle,
                                                   std::vector<uint32_t>& reused) {
  const Clock::time_point now = Clock::now();
  std::vector<uint32_t> out(come.size());
  std::unordered_set<uint32_t> back;  // slots of things that come back
  std::vector<size_t> strangers;
  for (size_t i = 0; i < come.size(); ++i) {
    if (const auto it = slot_of_.find(come[i]); it != slot_of_.end()) {
      out[i] = it->second;
      back.insert(it->second);
    } else {
      strangers.push_back(i);
    }
  }
  uint32_t fresh = used_;
  // Of the looks for slots that have rested, and for any that are idle: where the next begins.
  uint32_t next_rested = 0, next_idle = 0;
  std::unordered_set<uint32_t> taken_over;
  const auto find_old = [&](uint32_t& next, Clock::duration rest) -> std::optional<uint32_t> {
    for (; next < used_; ++next) {
      const Owner& o = owners_[next];
      if (o.removed_by == 0 || o.removed_by > when.adopted || now - o.removed_at < rest) continue;
      if (back.contains(next) || taken_over.contains(next) || !idle(next)) continue;
      taken_over.insert(next);
      return next++;
    }
    return std::nullopt;
  };
  for (const size_t i : strangers) {
    std::optional<uint32_t> slot;
    if (fresh >= kFreshFirst) slot = find_old(next_rested, kRested);
    if (!slot && fresh < owners_.size()) slot = fresh++;
    if (!slot) slot = find_old(next_idle, {});
    if (!slot) return std::nullopt;
    out[i] = *slot;
  }

  for (const uint32_t slot : taken_over) {
    slot_of_.erase(owners_[slot].key);
    reused.push_back(slot);
  }
  for (size_t i = 0; i < come.size(); ++i) {
    owners_[out[i]] = {come[i], 0, {}};
    slot_of_[come[i]] = out[i];
  }
  used_ = fresh;
  for (const uint32_t slot : leave) {
    owners_[slot].removed_by = when.generation;
    owners_[slot].removed_at = now;
  }
  return out;
}

}  // namespace sluice::control
