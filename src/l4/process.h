#pragma once
// State of L4 listeners that the workers of a process share: the limits that hold for all of them
// together, and the number of flows at each address.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/pages.h"
#include "base/shared_rate.h"
#include "stats/worker.h"

namespace sluice::l4 {

class Process {
 public:
  // Of one listener: each has the rate limit of the sources that share it. A source has a bucket in
  // each of two rows, and is refused when both are empty.
  static constexpr size_t kSourceBuckets = 4'096;
  // The rate limit of a site, in those of a source. So one site cannot empty the buckets of others.
  static constexpr uint32_t kSourcesOfSite = 16;

  explicit Process(uint32_t workers)
      : workers_(workers),
        flows_(size_t{workers} * kFlowRows * kFlowCounts),
        pages_(stats::kMaxListeners * sizeof(Listener)),
        listeners_(static_cast<Listener*>(pages_.get())) {}

  uint32_t workers() const { return workers_; }
  // The flows at an address, by its hash, which is the same in all workers. Each worker changes its
  // own numbers only. An address has a number in each of two rows, which others may share: an
  // address without flows passes for one with flows when both its numbers are another's, too.
  void add_flows(uint32_t worker, uint64_t hash, uint32_t change) {
    for (size_t row = 0; row < kFlowRows; ++row) {
      std::atomic<uint32_t>& n = flows_[flow_count(worker, row, hash)];
      n.store(n.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
    }
  }
  bool has_flows(uint64_t hash) const {
    for (size_t row = 0; row < kFlowRows; ++row) {
      bool any = false;
      for (uint32_t w = 0; w < workers_; ++w)
        any |= flows_[flow_count(w, row, hash)].load(std::memory_order_relaxed) > 0;
      if (!any) return false;
    }
    return true;
  }
  // By the listener's slot. The next listener of a slot finds the tokens that the one before left,
  // and all of them after a second.
  SharedRate& new_flows(uint32_t slot) { return listeners_[slot].new_flows; }
  // Takes a token of the source's, and one of its site's. The hashes are secret to clients and the
  // same in all workers; site 0: the source has none. Exact: a source that is refused only reads
  // what workers share.
  bool take_of_source(uint32_t slot, uint64_t source, uint64_t site, uint32_t rate, Time now) {
    Listener& l = listeners_[slot];
    SharedRate& first = l.sources[0][source % kSourceBuckets];
    SharedRate& second = l.sources[1][(source >> 32) % kSourceBuckets];
    if (!first.has(rate, rate, now) && !second.has(rate, rate, now)) return false;
    const auto most =
        static_cast<uint32_t>(std::min<uint64_t>(uint64_t{rate} * kSourcesOfSite, kHighestRate));
    if (site != 0 && l.sites[site % kSourceBuckets].take(1, most, most, now) == 0) return false;
    // From both, so that a source alone in its buckets has no more than its rate.
    const uint32_t taken = first.take(1, rate, rate, now) + second.take(1, rate, rate, now);
    return taken > 0;
  }

 private:
  // Zeroed memory is a listener whose tokens are all there.
  struct Listener {
    alignas(64) SharedRate new_flows;
    alignas(64) SharedRate sources[2][kSourceBuckets];
    alignas(64) SharedRate sites[kSourceBuckets];
  };

  static constexpr size_t kFlowRows = 2;
  static constexpr size_t kFlowCounts = 16'384;            // of one worker's row
  static constexpr uint64_t kHighestRate = 1'000'000'000;  // of SharedRate

  static size_t flow_count(uint32_t worker, size_t row, uint64_t hash) {
    return (worker * kFlowRows + row) * kFlowCounts + (hash >> (32 * row)) % kFlowCounts;
  }

  const uint32_t workers_;
  std::vector<std::atomic<uint32_t>> flows_;
  Pages pages_;  // touched by listeners that have limits
  Listener* const listeners_;
};

}  // namespace sluice::l4
