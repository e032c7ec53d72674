#pragma once
// Fills in the slots of a snapshot that is about to be published.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/snapshot.h"
#include "control/slots.h"
#include "stats/worker.h"

namespace sluice::control {

class SlotAssignment {
 public:
  // The workers' counters outlive the assignment.
  explicit SlotAssignment(std::span<stats::Worker* const> workers) : workers_(workers) {}

  // `adopted`: the oldest generation that any worker uses. Returns the slots of pods that changed
  // their owner. nullopt, with the reason in `why`, when so many pods, listeners or services drain
  // that no slot is left.
  std::optional<std::vector<uint32_t>> assign(config::Snapshot& snapshot, uint64_t adopted,
                                              std::string& why);

 private:
  // Whether fn(worker) is true for all workers.
  template <class Fn>
  bool all(Fn&& fn) const;

  std::span<stats::Worker* const> workers_;
  Slots pods_{stats::kMaxPods};
  Slots listeners_{stats::kMaxListeners};
  Slots services_{stats::kMaxServices};
};

}  // namespace sluice::control
