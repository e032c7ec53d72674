#include "http2/hpack/encoder_table.h"

#include <algorithm>
#include <cstring>

namespace sluice::http2::hpack {

EncoderTable::~EncoderTable() {
  while (count() > 0) evict_oldest();
  if (ring_ != nullptr) shared_.blocks.give(ring_, bytes(capacity_));
  if (account_ != nullptr) account_->charge_lasting(-int64_t{memory()});
}

void EncoderTable::set_max_size(uint32_t bytes) {
  max_size_ = std::min(bytes, kMaxSize);
  while (size_ > max_size_) evict_oldest();
}

void EncoderTable::put(uint32_t position) {
  uint32_t c = home(ring_[position]);
  while (places_[c] != 0) c = (c + 1) & (2 * capacity_ - 1);
  places_[c] = static_cast<uint16_t>(position + 1);
}

void EncoderTable::evict_oldest() {
  const uint32_t position = evicted_++ & (capacity_ - 1);
  const uint32_t handle = ring_[position];
  const uint32_t mask = 2 * capacity_ - 1;
  uint32_t hole = home(handle);
  while (places_[hole] != position + 1) hole = (hole + 1) & mask;
  // Entries behind the hole move up, so that searches need no tombstones.
  for (uint32_t c = (hole + 1) & mask; places_[c] != 0; c = (c + 1) & mask) {
    const uint32_t wanted = home(ring_[places_[c] - 1]);
    if (((c - wanted) & mask) < ((c - hole) & mask)) continue;
    places_[hole] = places_[c];
    hole = c;
  }
  places_[hole] = 0;
  size_ -= shared_.fields[handle].size();
  shared_.fields.release(handle);
}

bool EncoderTable::insert(uint32_t handle) {
  const uint32_t need = shared_.fields[handle].size();
  if (need > max_size_) return false;
  // Before evicting: an evicted entry may have the last reference to the record.
  shared_.fields.retain(handle);
  while (size_ + need > max_size_) evict_oldest();
  if (count() == capacity_) grow();
  const uint32_t position = inserted_++ & (capacity_ - 1);
  ring_[position] = handle;
  put(position);
  size_ += need;
  return true;
}

void EncoderTable::grow() {
  const uint32_t capacity = std::max(kFirstEntries, capacity_ * 2);
  auto* const ring = static_cast<uint32_t*>(shared_.blocks.take(bytes(capacity)));
  for (uint32_t i = evicted_; i != inserted_; ++i)
    ring[i & (capacity - 1)] = ring_[i & (capacity_ - 1)];
  if (ring_ != nullptr) shared_.blocks.give(ring_, bytes(capacity_));
  if (account_ != nullptr)
    account_->charge_lasting(int64_t{bytes(capacity)} - int64_t{bytes(capacity_)});
  ring_ = ring;
  places_ = reinterpret_cast<uint16_t*>(ring + capacity);
  capacity_ = capacity;
  std::memset(places_, 0, 2 * capacity * sizeof(uint16_t));
  for (uint32_t i = evicted_; i != inserted_; ++i) put(i & (capacity - 1));
}

}  // namespace sluice::http2::hpack
