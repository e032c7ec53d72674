#include "tcp/flow_table.h"

#include <array>
#include <bit>
#include <cassert>
#include <cstring>

namespace sluice::tcp {

// Twice the slots: probes stay short. A large capacity costs memory only as far as it is used.
FlowTable::FlowTable(size_t capacity, const SipKey& key)
    : capacity_(capacity),
      mask_(std::bit_ceil(capacity * 2) - 1),
      key_(key),
      pages_((mask_ + 1) * sizeof(Slot)),
      slots_(static_cast<Slot*>(pages_.get())) {}

uint32_t FlowTable::hash(const Endpoint& local, const Endpoint& remote) const {
  const auto of = [&]<size_t kSize>(std::array<uint8_t, kSize> bytes) {
    constexpr size_t kWidth = kSize / 2 - 2;  // of an address, without what all of its family have
    constexpr size_t kSkipped = sizeof(Address) - kWidth;
    std::memcpy(bytes.data(), remote.address.bytes.data() + kSkipped, kWidth);
    std::memcpy(bytes.data() + kWidth, local.address.bytes.data() + kSkipped, kWidth);
    std::memcpy(bytes.data() + 2 * kWidth, &remote.port, 2);
    std::memcpy(bytes.data() + 2 * kWidth + 2, &local.port, 2);
    return static_cast<uint32_t>(table_hash(key_, std::span<const uint8_t, kSize>(bytes)));
  };
  // SipHash knows how long its input was: the families stay apart.
  return remote.address.is_v4() ? of(std::array<uint8_t, 12>{}) : of(std::array<uint8_t, 36>{});
}

const Flow* FlowTable::candidate(uint32_t h) const {
  for (size_t i = h & mask_;; i = (i + 1) & mask_) {
    const Slot& s = slots_[i];
    if (s.flow == nullptr || s.hash == h) return s.flow;
  }
}

Flow* FlowTable::find(uint32_t h, const Endpoint& local, const Endpoint& remote) const {
  for (size_t i = h & mask_;; i = (i + 1) & mask_) {
    const Slot& s = slots_[i];
    if (s.flow == nullptr) return nullptr;
    if (s.hash == h && s.flow->remote() == remote && s.flow->local() == local) return s.flow;
  }
}

void FlowTable::insert(Flow& flow) {
  assert(!full());
  flow.hash_ = hash(flow.local(), flow.remote());
  size_t i = flow.hash_ & mask_;
  while (slots_[i].flow != nullptr) i = (i + 1) & mask_;
  slots_[i] = {&flow, flow.hash_};
  ++size_;
}

void FlowTable::erase(Flow& flow) {
  size_t i = flow.hash_ & mask_;
  while (slots_[i].flow != &flow) {
    assert(slots_[i].flow != nullptr);
    i = (i + 1) & mask_;
  }
  // Moves back what the hole would hide, so that no tombstones pile up.
  size_t hole = i;
  for (size_t j = (i + 1) & mask_; slots_[j].flow != nullptr; j = (j + 1) & mask_) {
    const size_t home = slots_[j].hash & mask_;
    if (((j - home) & mask_) >= ((j - hole) & mask_)) {
      slots_[hole] = slots_[j];
      hole = j;
    }
  }
  slots_[hole] = {};
  --size_;
}

}  // namespace sluice::tcp
