#pragma once
// The limits of the relay that hold for all workers of a process together.

#include <cstdint>
#include <memory>

#include "base/byte_lease.h"
#include "base/lease.h"
#include "relay/retry_budget.h"
#include "stats/worker.h"

namespace sluice::relay {

// Of one service.
struct ServiceLimits {
  SharedLimit waiting;  // calls that wait for a pod; queued_streams
  SharedLimit held;     // calls that wait for a reason of their own client; queued_streams again
  SharedRetryBudget retries;
};

class Process {
 public:
  // seed: for the places where workers begin their rounds over the pods.
  explicit Process(size_t workers, uint64_t seed = 0)
      : workers_(static_cast<uint32_t>(workers)),
        seed_(seed),
        services_(std::make_unique<ServiceLimits[]>(stats::kMaxServices)) {}

  uint32_t workers() const { return workers_; }
  uint64_t seed() const { return seed_; }
  ServiceLimits& service(uint32_t slot) { return services_[slot]; }
  SharedBytes& calls_heap() { return calls_heap_; }

 private:
  const uint32_t workers_;
  const uint64_t seed_;
  std::unique_ptr<ServiceLimits[]> services_;  // by slot
  SharedBytes calls_heap_;                     // of clients' calls; calls_heap
};

}  // namespace sluice::relay
