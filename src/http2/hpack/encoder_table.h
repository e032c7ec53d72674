#pragma once
// The dynamic table of one connection's encoder: a ring of handles of shared records, and an index
// from handle to its place in the ring.

#include <cstdint>

#include "buf/account.h"
#include "http2/hpack/shared.h"

namespace sluice::http2::hpack {

class EncoderTable {
 public:
  explicit EncoderTable(Shared& shared) : shared_(shared) {}
  ~EncoderTable();
  EncoderTable(const EncoderTable&) = delete;

  uint32_t count() const { return inserted_ - evicted_; }
  uint32_t size() const { return size_; }
  uint32_t max_size() const { return max_size_; }
  void set_max_size(uint32_t bytes);
  static constexpr uint32_t kMaxSize = 65'536;

  // The age of the entry, where the newest is 0; kNone when the table does not have it.
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t find(uint32_t handle) const {
    if (capacity_ == 0) return kNone;
    for (uint32_t c = home(handle);; c = (c + 1) & (2 * capacity_ - 1)) {
      const uint32_t place = places_[c];
      if (place == 0) return kNone;
      if (ring_[place - 1] == handle) return (inserted_ - place) & (capacity_ - 1);
    }
  }
  // Inserts a record that the table does not have, and evicts as needed. False when the record is
  // larger than the whole table, which then stays as it is.
  bool insert(uint32_t handle);

  // Heap bytes.
  uint32_t memory() const { return bytes(capacity_); }
  // The account that is charged for memory(). To be set while there is none; outlives the table.
  void set_account(buf::Account* account) { account_ = account; }

 private:
  static constexpr uint32_t kFirstEntries = 16;

  static uint32_t bytes(uint32_t capacity) { return capacity * (4 + 2 * 2); }
  uint32_t home(uint32_t handle) const {
    return static_cast<uint32_t>((handle * 0x9e3779b1u) >> 12) & (2 * capacity_ - 1);
  }
  void put(uint32_t position);
  void evict_oldest();
  void grow();

  Shared& shared_;
  buf::Account* account_ = nullptr;
  // capacity_ handles, then 2 * capacity_ cells of open addressing: position + 1, 0 is empty.
  uint32_t* ring_ = nullptr;
  uint16_t* places_ = nullptr;
  uint32_t inserted_ = 0;
  uint32_t evicted_ = 0;
  uint32_t size_ = 0;
  uint32_t max_size_ = 4096;
  uint32_t capacity_ = 0;
};

}  // namespace sluice::http2::hpack
