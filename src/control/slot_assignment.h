#pragma once
// Fills in the slots of a snapshot that is about to be published.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
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

  // Pods that have come and left from one snapshot to the next.
  struct PodNews {
    // (service, pod) by index, in the next snapshot.
    using Place = std::pair<uint32_t, uint32_t>;
    struct Of {
      std::vector<uint32_t> came;  // slots
      size_t left = 0;
    };
    std::vector<Place> came;
    std::vector<uint32_t> left;    // slots
    std::vector<uint32_t> reused;  // slots that changed their owner
    std::vector<Of> by_service;    // in the order of the services
  };
  // As assign(), for a snapshot that has been made from `before`, with use_endpoints() for these
  // services. Fills in Snapshot::difference, if the services allow it.
  std::optional<PodNews> assign_pods(config::Snapshot& snapshot, const config::Snapshot& before,
                                     std::span<const uint32_t> services, uint64_t adopted,
                                     std::string& why);

 private:
  bool is_idle_pod(uint32_t slot) const;
  // Whether fn(worker) is true for all workers.
  template <class Fn>
  bool all(Fn&& fn) const;

  std::span<stats::Worker* const> workers_;
  Slots pods_{stats::kMaxPods};
  Slots listeners_{stats::kMaxListeners};
  Slots services_{stats::kMaxServices};
};

}  // namespace sluice::control
