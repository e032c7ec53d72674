#pragma once
// Latencies in the manner of HdrHistogram: 64 linear buckets in every power of two of a nanosecond,
// so that a quantile is right within 1/64 from the first microsecond on.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/chrono.h"

namespace sluice::load {

class Latencies {
 public:
  void record(Duration d) {
    const auto ns = static_cast<uint64_t>(d.count() > 0 ? d.count() : 0);
    ++counts_[index(ns)];
    ++total_;
  }
  void clear() { *this = {}; }
  uint64_t count() const { return total_; }

  // Microseconds below which a share q of all values lies (upper bound of its bucket); 0 without
  // values.
  double quantile_us(double q) const {
    const auto rank = static_cast<uint64_t>(q * static_cast<double>(total_));
    uint64_t seen = 0;
    for (size_t i = 0; i < kBuckets; ++i) {
      seen += counts_[i];
      if (seen > rank || (seen == total_ && seen > 0))
        return static_cast<double>(upper(i)) / 1000.0;
    }
    return 0;
  }

 private:
  static constexpr unsigned kSubBits = 6;
  static constexpr unsigned kOctaves = 40;  // up to 18 minutes
  static constexpr size_t kBuckets = (kOctaves - kSubBits + 1) << kSubBits;

  static size_t index(uint64_t ns) {
    if (ns < (1u << kSubBits)) return ns;
    const unsigned top = static_cast<unsigned>(std::bit_width(ns)) - 1;
    if (top >= kOctaves) return kBuckets - 1;
    const unsigned shift = top - kSubBits;
    return ((size_t{shift} + 1) << kSubBits) + ((ns >> shift) & ((1u << kSubBits) - 1));
  }
  static uint64_t upper(size_t i) {
    if (i < (2u << kSubBits)) return i + 1;
    const unsigned shift = static_cast<unsigned>(i >> kSubBits) - 1;
    return ((i & ((1u << kSubBits) - 1)) + (1u << kSubBits) + 1) << shift;
  }

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t total_ = 0;
};

}  // namespace sluice::load
