#pragma once
// The streams of one connection by id: open addressing, nothing allocated before the first stream.

#include <cstdint>
#include <memory>

#include "http2/stream.h"

namespace sluice::http2 {

class StreamTable {
 public:
  Stream* find(uint32_t id) const {
    if (capacity_ == 0) return nullptr;
    for (uint32_t i = home(id);; i = (i + 1) & (capacity_ - 1)) {
      if (cells_[i] == nullptr) return nullptr;
      if (cells_[i]->id() == id) return cells_[i];
    }
  }

  void insert(Stream& s) {
    if ((count_ + 1) * 2 > capacity_) grow();
    place(s);
    ++count_;
  }

  void erase(const Stream& s) {
    uint32_t i = home(s.id());
    if (cells_[i] != &s) --displaced_;
    while (cells_[i] != &s) i = (i + 1) & (capacity_ - 1);
    --count_;
    if (displaced_ == 0) {  // as nearly always: nobody's probe passes over the gap
      cells_[i] = nullptr;
      return;
    }
    // Backward shift: close the gap with the entries whose probes pass over it.
    for (uint32_t j = (i + 1) & (capacity_ - 1); cells_[j] != nullptr;
         j = (j + 1) & (capacity_ - 1)) {
      const uint32_t h = home(cells_[j]->id());
      if (((j - h) & (capacity_ - 1)) >= ((j - i) & (capacity_ - 1))) {
        cells_[i] = cells_[j];
        if (i == h) --displaced_;
        i = j;
      }
    }
    cells_[i] = nullptr;
  }

  uint32_t count() const { return count_; }
  uint32_t capacity() const { return capacity_; }
  Stream* cell(uint32_t i) const { return cells_[i]; }

 private:
  static constexpr uint32_t kFirstCapacity = 16;

  // Ids of one side are consecutive odd numbers: their halves spread perfectly.
  uint32_t home(uint32_t id) const { return (id >> 1) & (capacity_ - 1); }
  void place(Stream& s) {
    uint32_t i = home(s.id());
    if (cells_[i] != nullptr) ++displaced_;
    while (cells_[i] != nullptr) i = (i + 1) & (capacity_ - 1);
    cells_[i] = &s;
  }
  void grow() {
    const uint32_t before = capacity_;
    auto old = std::move(cells_);
    capacity_ = before == 0 ? kFirstCapacity : before * 2;
    displaced_ = 0;
    cells_ = std::make_unique<Stream*[]>(capacity_);
    for (uint32_t i = 0; i < before; ++i)
      if (old[i] != nullptr) place(*old[i]);
  }

  std::unique_ptr<Stream*[]> cells_;
  uint32_t capacity_ = 0;  // a power of two, or zero
  uint32_t count_ = 0;
  uint32_t displaced_ = 0;  // streams that do not stand in the cell of their id
};

}  // namespace sluice::http2
