#pragma once
// Whose counters stand in which slot: names for the numbers of the workers, pods included that have
// left the configuration and still have streams.

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "config/snapshot.h"
#include "control/slots.h"
#include "stats/worker.h"

namespace sluice::control {

// A pod's numbers, summed over workers, from the moment that the slot became the pod's.
struct PodTotals {
  uint64_t streams = 0;
  uint64_t active = 0;
  uint64_t failed = 0;
  uint64_t retried = 0;
  uint64_t connections = 0;
  HistogramSum latency;
};

struct PodEntry {
  std::string service;
  config::Pod pod;
  bool draining = false;  // no longer in the configuration
};

class Ledger {
 public:
  explicit Ledger(std::span<stats::Worker* const> workers) : workers_(workers) {}

  // Fills in the slots of a snapshot that is about to be published. False, with the reason in
  // `why`, when so many pods, listeners or services drain that none is left.
  bool assign(config::Snapshot& snapshot, uint64_t adopted, std::string& why);

  // The configured pods in order, then those that drain.
  std::vector<PodEntry> pods(const config::Snapshot& current) const;
  PodTotals totals(uint32_t slot) const;
  // The last pod that had the slot; nullptr when none ever had.
  const PodEntry* pod(uint32_t slot) const {
    const auto it = known_.find(slot);
    return it == known_.end() ? nullptr : &it->second;
  }
  std::span<stats::Worker* const> workers() const { return workers_; }

 private:
  PodTotals sum(uint32_t slot) const;

  std::span<stats::Worker* const> workers_;
  Slots pods_{stats::kMaxPods};
  Slots listeners_{stats::kMaxListeners};
  Slots services_{stats::kMaxServices};
  std::map<uint32_t, PodEntry> known_;  // by slot: the last owner
  std::map<uint32_t, PodTotals> base_;  // of reused slots: what earlier owners counted
};

}  // namespace sluice::control
