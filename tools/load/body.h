#pragma once
// The bytes of every body: a period of 1,024 that no shift maps onto itself, so that a receiver can
// check each byte by its offset.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "buf/slice.h"

namespace sluice::load {

class Body {
 public:
  static constexpr uint32_t kPeriod = 1024;

  // total: of one body, gRPC's prefix of 5 bytes included (a message that is not compressed).
  explicit Body(uint32_t total) : total_(total) {
    for (uint32_t i = 0; i < bytes_.size(); ++i)
      bytes_[i] = static_cast<uint8_t>(((i % kPeriod) * 2654435761u) >> 24);
    const uint32_t message = total - kPrefix;
    prefix_ = {0, static_cast<uint8_t>(message >> 24), static_cast<uint8_t>(message >> 16),
               static_cast<uint8_t>(message >> 8), static_cast<uint8_t>(message)};
  }

  uint32_t total() const { return total_; }
  // Two periods.
  const uint8_t* periods() const { return bytes_.data(); }

  void write(uint32_t offset, uint8_t* to, uint32_t n) const {
    for (uint32_t i = 0; i < n;) {
      if (offset + i < kPrefix) {
        to[i] = prefix_[offset + i];
        ++i;
        continue;
      }
      const uint32_t take = std::min(n - i, kPeriod);
      std::memcpy(to + i, bytes_.data() + (offset + i) % kPeriod, take);
      i += take;
    }
  }
  bool is(uint32_t offset, buf::View piece) const {
    if (offset + piece.size() > total_) return false;
    size_t i = 0;
    for (; i < piece.size() && offset + i < kPrefix; ++i)
      if (piece[i] != prefix_[offset + i]) return false;
    while (i < piece.size()) {
      const size_t take = std::min<size_t>(piece.size() - i, kPeriod);
      if (std::memcmp(piece.data() + i, bytes_.data() + (offset + i) % kPeriod, take) != 0)
        return false;
      i += take;
    }
    return true;
  }

 private:
  static constexpr uint32_t kPrefix = 5;

  uint32_t total_;
  std::array<uint8_t, 2 * kPeriod> bytes_;
  std::array<uint8_t, kPrefix> prefix_;
};

}  // namespace sluice::load
