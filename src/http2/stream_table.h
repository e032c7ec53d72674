#pragma once
// The streams of one connection by id: open addressing. Allocates nothing before the first stream.

#include <bit>
#include <cstdint>
#include <memory>

#include "http2/stream.h"

namespace sluice::http2 {

// Maps an id to a cell of a table. The ids of one side are consecutive odd numbers, which have to
// spread perfectly. A client may choose others, and must not know which of them collide.
class StreamCells {
 public:
  StreamCells() = default;
  // `cells` is a power of two, at least 4. The cell is the top of a product, for which all bits of
  // the id count (Dietzfelbinger and others, 1997). The seed chooses all bits but the top ones of
  // the odd factor: consecutive ids stand one cell to one and a half apart, so as many as fill half
  // the table do not collide.
  StreamCells(uint32_t seed, uint32_t cells)
      : shift_(32 - static_cast<uint32_t>(std::countr_zero(cells))) {
    const uint32_t least = uint32_t{1} << (shift_ - 1);
    factor_ = least | (seed & (least / 2 - 1)) | 1;
  }
  uint32_t operator()(uint32_t id) const { return id * factor_ >> shift_; }

 private:
  uint32_t factor_ = 0;
  uint32_t shift_ = 0;
};

class StreamTable {
 public:
  explicit StreamTable(uint32_t seed) : seed_(seed) {}

  Stream* find(uint32_t id) const {
    if (capacity_ == 0) return nullptr;
    for (uint32_t i = home_(id);; i = (i + 1) & (capacity_ - 1)) {
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
    uint32_t i = home_(s.id());
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
      const uint32_t h = home_(cells_[j]->id());
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

  void place(Stream& s) {
    uint32_t i = home_(s.id());
    if (cells_[i] != nullptr) ++displaced_;
    while (cells_[i] != nullptr) i = (i + 1) & (capacity_ - 1);
    cells_[i] = &s;
  }
  void grow() {
    const uint32_t before = capacity_;
    auto old = std::move(cells_);
    capacity_ = before == 0 ? kFirstCapacity : before * 2;
    home_ = StreamCells(seed_, capacity_);
    displaced_ = 0;
    cells_ = std::make_unique<Stream*[]>(capacity_);
    for (uint32_t i = 0; i < before; ++i)
      if (old[i] != nullptr) place(*old[i]);
  }

  std::unique_ptr<Stream*[]> cells_;
  const uint32_t seed_;
  StreamCells home_;
  uint32_t capacity_ = 0;  // a power of two, or zero
  uint32_t count_ = 0;
  uint32_t displaced_ = 0;  // streams that are not in the cell of their id
};

}  // namespace sluice::http2
