#pragma once
// The calls of one listener that have ended: their results and durations.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/chrono.h"
#include "stats/counter.h"
#include "stats/results.h"

namespace sluice::stats {

// A histogram whose bounds double, from 65.536 us to 68.7 s: a few instructions a call, and few
// enough series for every listener. (Histogram in base/ has 16 buckets where this one has one.)
class Durations {
 public:
  static constexpr size_t kBounds = 21;

  void record(Duration d) {
    // Zero has no highest bit. The lowest bit of the units tells nothing, and is set.
    const uint64_t units = static_cast<uint64_t>(d.count()) >> (kFirstBit - 1) | 1;
    const auto bucket = static_cast<size_t>(std::bit_width(units)) - 1;
    buckets_[bucket < kBounds ? bucket : kBounds].add();
    sum_.add(static_cast<uint64_t>(d.count()));
  }

  // The bound of bucket i, of kBounds. The bucket at kBounds has none.
  static constexpr Duration bound(size_t i) { return Duration(int64_t{1} << (kFirstBit + i)); }
  uint64_t bucket(size_t i) const { return buckets_[i].get(); }
  uint64_t sum_ns() const { return sum_.get(); }

 private:
  static constexpr unsigned kFirstBit = 16;  // the first bound is 2^16 ns

  std::array<Counter, kBounds + 1> buckets_;
  Counter sum_;
};

struct Requests {
  std::array<Counter, kResults> results;
  Durations durations;

  // d: from the arrival of the call to its end for the client; not negative.
  void record(Result result, Duration d) {
    results[static_cast<size_t>(result)].add();
    durations.record(d);
  }
};

}  // namespace sluice::stats
