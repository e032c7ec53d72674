#pragma once
// Latency histogram with bounded relative error, in the manner of HdrHistogram: 16 linear buckets
// in every power of two, so a quantile is right within 1/16 (6.25 %).

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/chrono.h"

namespace sluice {

// One writer. Readers on other threads see each bucket whole, but not all buckets at one instant.
class Histogram {
 public:
  static constexpr unsigned kSubBits = 4;
  static constexpr unsigned kOctaves = 32;  // from 1.024 us up to 73 minutes, in units of 1.024 us
  static constexpr size_t kBuckets = (kOctaves - kSubBits + 1) << kSubBits;

  void record(Duration d) {
    add(buckets_[index(d)], 1);
    add(sum_, static_cast<uint64_t>(d.count() > 0 ? d.count() : 0));
  }

  uint64_t bucket(size_t i) const { return buckets_[i].load(std::memory_order_relaxed); }
  uint64_t sum_ns() const { return sum_.load(std::memory_order_relaxed); }

  // Upper bound of bucket i.
  static Duration upper(size_t i) {
    uint64_t units;
    if (i < (2u << kSubBits)) {
      units = i + 1;
    } else {
      const unsigned shift = static_cast<unsigned>(i >> kSubBits) - 1;
      units = ((i & kMask) + (1u << kSubBits) + 1) << shift;
    }
    return Duration(static_cast<int64_t>(units << kUnitBits));
  }

 private:
  static constexpr unsigned kUnitBits = 10;  // 1,024 ns: division by shift
  static constexpr uint64_t kMask = (1u << kSubBits) - 1;

  static void add(std::atomic<uint64_t>& c, uint64_t n) {
    c.store(c.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  static size_t index(Duration d) {
    if (d.count() <= 0) return 0;
    const uint64_t units = static_cast<uint64_t>(d.count()) >> kUnitBits;
    if (units < (1u << kSubBits)) return units;
    const unsigned top = static_cast<unsigned>(std::bit_width(units)) - 1;
    if (top >= kOctaves) return kBuckets - 1;
    const unsigned shift = top - kSubBits;
    return ((shift + 1) << kSubBits) + ((units >> shift) & kMask);
  }

  std::array<std::atomic<uint64_t>, kBuckets> buckets_{};
  std::atomic<uint64_t> sum_{0};
};

// A sum of histograms (one per worker, say), from which quantiles are read.
class HistogramSum {
 public:
  void add(const Histogram& h) {
    for (size_t i = 0; i < Histogram::kBuckets; ++i) {
      counts_[i] += h.bucket(i);
      total_ += h.bucket(i);
    }
    sum_ns_ += h.sum_ns();
  }
  // Subtracts the counts of an earlier moment, so that the counts since then remain.
  void subtract(const HistogramSum& earlier) {
    for (size_t i = 0; i < Histogram::kBuckets; ++i) counts_[i] -= earlier.counts_[i];
    total_ -= earlier.total_;
    sum_ns_ -= earlier.sum_ns_;
  }
  uint64_t count() const { return total_; }
  uint64_t sum_ns() const { return sum_ns_; }
  uint64_t bucket(size_t i) const { return counts_[i]; }

  // At least as long as the longest time that was recorded, and hardly longer; zero: there is none.
  Duration longest() const {
    for (size_t i = Histogram::kBuckets; i-- > 0;)
      if (counts_[i] > 0) return Histogram::upper(i);
    return Duration::zero();
  }

  // q in [0, 1]. Zero when nothing was recorded.
  Duration quantile(double q) const {
    if (total_ == 0) return Duration::zero();
    const auto rank = static_cast<uint64_t>(q * static_cast<double>(total_ - 1)) + 1;
    uint64_t seen = 0;
    for (size_t i = 0; i < Histogram::kBuckets; ++i) {
      seen += counts_[i];
      if (seen >= rank) return Histogram::upper(i);
    }
    return Histogram::upper(Histogram::kBuckets - 1);
  }

 private:
  std::array<uint64_t, Histogram::kBuckets> counts_{};
  uint64_t total_ = 0;
  uint64_t sum_ns_ = 0;
};

}  // namespace sluice
