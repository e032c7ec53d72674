#pragma once
// The calls that the other workers of the process have in flight on pods, as copies. A pick that
// read the other workers' numbers themselves would fetch cache lines that they write all the time.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/chrono.h"
#include "stats/worker.h"

namespace sluice::pods {

class OtherLoads {
 public:
  // The age at which a copy is made again. One copy takes the numbers of 16 pods, a cache line of
  // each worker.
  static constexpr Duration kAge = 100us;

  // workers: the numbers of all workers; this worker's are at index `self`. now: of the turn.
  OtherLoads(std::span<stats::Worker* const> workers, size_t self, const Time& now)
      : workers_(workers), self_(self), now_(now) {
    if (workers.size() > 1) copies_ = std::make_unique<Copy[]>(kCopies);
  }

  // Calls in flight on the pod by all other workers, kAge ago or later.
  uint64_t of(uint32_t slot) {
    if (copies_ == nullptr) return 0;
    Copy& copy = copies_[slot / kPods];
    if (now_ >= copy.stale_at) [[unlikely]]
      refresh(copy, slot / kPods * kPods);
    return copy.in_flight[slot % kPods];
  }

 private:
  static constexpr size_t kPods = stats::PodLoads::kInLine;
  static constexpr size_t kCopies = stats::kMaxPods / kPods;
  struct Copy {
    Time stale_at{};
    std::array<uint32_t, kPods> in_flight{};
  };

  void refresh(Copy& copy, size_t first) {
    copy.stale_at = now_ + kAge;
    copy.in_flight.fill(0);
    for (size_t w = 0; w < workers_.size(); ++w) {
      if (w == self_) continue;
      const stats::PodLoads& loads = workers_[w]->pod_loads();
      for (size_t i = 0; i < kPods; ++i) copy.in_flight[i] += loads.get(first + i);
    }
  }

  std::span<stats::Worker* const> workers_;
  const size_t self_;
  const Time& now_;
  std::unique_ptr<Copy[]> copies_;  // none without other workers
};

}  // namespace sluice::pods
