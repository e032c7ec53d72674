#include "control/slots.h"

#include <unordered_set>

namespace sluice::control {

std::optional<std::vector<uint32_t>> Slots::assign(const std::vector<std::string>& keys,
                                                   uint64_t generation, uint64_t adopted,
                                                   const Idle& idle,
                                                   std::vector<uint32_t>& reused) {
  const std::unordered_set<std::string> wanted(keys.begin(), keys.end());
  std::vector<uint32_t> out;
  std::vector<uint32_t> taken_over;
  uint32_t fresh = used_;
  uint32_t next_old = 0;
  for (const std::string& key : keys) {
    if (const auto it = slot_of_.find(key); it != slot_of_.end()) {
      out.push_back(it->second);
      continue;
    }
    if (fresh < owners_.size()) {
      out.push_back(fresh++);
      continue;
    }
    const auto free = [&](uint32_t slot) {
      const Owner& o = owners_[slot];
      return o.removed_by != 0 && o.removed_by <= adopted && !wanted.contains(o.key) && idle(slot);
    };
    while (next_old < used_ && !free(next_old)) ++next_old;
    if (next_old == used_) return std::nullopt;
    taken_over.push_back(next_old);
    out.push_back(next_old++);
  }

  for (const uint32_t slot : taken_over) slot_of_.erase(owners_[slot].key);
  for (size_t i = 0; i < keys.size(); ++i) {
    owners_[out[i]] = {keys[i], 0};
    slot_of_[keys[i]] = out[i];
  }
  used_ = fresh;
  for (uint32_t i = 0; i < used_; ++i)
    if (owners_[i].removed_by == 0 && !wanted.contains(owners_[i].key))
      owners_[i].removed_by = generation;
  reused.insert(reused.end(), taken_over.begin(), taken_over.end());
  return out;
}

}  // namespace sluice::control
