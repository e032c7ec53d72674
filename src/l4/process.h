#pragma once
// The limits of L4 listeners that hold for all workers of a process together.

#include <cstddef>
#include <cstdint>

#include "base/pages.h"
#include "base/shared_rate.h"
#include "stats/worker.h"

namespace sluice::l4 {

class Process {
 public:
  // Of one listener: each has the rate limit of the sources that share it.
  static constexpr size_t kSourceBuckets = 4'096;

  explicit Process(uint32_t workers)
      : workers_(workers),
        pages_(stats::kMaxListeners * sizeof(Listener)),
        listeners_(static_cast<Listener*>(pages_.get())) {}

  uint32_t workers() const { return workers_; }
  // By the listener's slot. The next listener of a slot finds the tokens that the one before left,
  // and all of them after a second.
  SharedRate& new_flows(uint32_t slot) { return listeners_[slot].new_flows; }
  // hash: of the source, secret to clients and the same in all workers.
  SharedRate& new_flows_of_source(uint32_t slot, uint64_t hash) {
    return listeners_[slot].sources[hash % kSourceBuckets];
  }

 private:
  // Zeroed memory is a listener whose tokens are all there.
  struct Listener {
    alignas(64) SharedRate new_flows;
    alignas(64) SharedRate sources[kSourceBuckets];
  };

  const uint32_t workers_;
  Pages pages_;  // touched by listeners that have limits
  Listener* const listeners_;
};

}  // namespace sluice::l4
