#pragma once
// The owners of the slots: names for the workers' counters. Includes pods that have left the
// configuration and still have streams.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/histogram.h"
#include "config/snapshot.h"
#include "stats/worker.h"

namespace sluice::admin {

// A pod's counters, summed over workers, since the slot became the pod's.
struct PodCounts {
  uint64_t streams = 0;
  uint64_t active = 0;
  uint64_t failed = 0;
  uint64_t retried = 0;
  uint64_t connections = 0;
  uint64_t connect_failures = 0;
  uint64_t relayed_in = 0;
  uint64_t relayed_out = 0;

  bool idle() const { return active == 0 && connections == 0; }
};
struct PodTotals : PodCounts {
  HistogramSum latency;
};

struct PodEntry {
  std::string service;
  config::Pod pod;
  bool draining = false;                                        // no longer in the configuration
  std::optional<std::chrono::steady_clock::time_point> left{};  // since then
  std::optional<std::chrono::nanoseconds> lag{};                // set_lag(); nullopt: not measured
};

class Ledger {
 public:
  // Pods that have left are remembered so long, unless another pod gets the slot.
  static constexpr std::chrono::minutes kRemembered{5};

  // The workers' counters outlive the ledger.
  explicit Ledger(std::span<stats::Worker* const> workers) : workers_(workers) {}

  // Records the owners of the slots from a snapshot, right before it is published. `reused` are the
  // slots of pods that had other owners: their totals begin at zero.
  void record(const config::Snapshot& snapshot, std::span<const uint32_t> reused);
  // As well, where only some pods have come and left: `came` are (service, pod) by index.
  void record_change(const config::Snapshot& snapshot,
                     std::span<const std::pair<uint32_t, uint32_t>> came,
                     std::span<const uint32_t> left, std::span<const uint32_t> reused);
  // The time that it took from news of the pod to the moment that every worker might pick it.
  void set_lag(uint32_t slot, std::chrono::nanoseconds lag);

  // The configured pods in order, then the pods that drain.
  std::vector<PodEntry> pods(const config::Snapshot& current) const;
  // As well, and pods that left less than kRemembered ago.
  std::vector<PodEntry> remembered(const config::Snapshot& current) const;
  PodTotals totals(uint32_t slot) const;
  PodCounts counts(uint32_t slot) const;  // totals() without the latency, which is costly to sum
  // The last pod that had the slot; nullptr when no pod ever had it.
  const PodEntry* pod(uint32_t slot) const {
    const auto it = known_.find(slot);
    return it == known_.end() ? nullptr : &it->second;
  }
  std::span<stats::Worker* const> workers() const { return workers_; }

 private:
  // The pod is in the configuration, and has its slot.
  void note(const std::string& service, const config::Pod& pod);
  PodCounts sum(uint32_t slot) const;
  HistogramSum latency(uint32_t slot) const;
  std::vector<PodEntry> entries(const config::Snapshot& current,
                                std::chrono::steady_clock::duration after_leaving) const;

  std::span<stats::Worker* const> workers_;
  std::map<uint32_t, PodEntry> known_;  // by slot: the last owner
  std::map<uint32_t, PodTotals> base_;  // of reused slots: the counts of earlier owners
};

}  // namespace sluice::admin
