#pragma once
// The limits of the relay that hold for all workers of a process together.

#include <cstdint>
#include <memory>

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
  explicit Process(size_t workers)
      : workers_(static_cast<uint32_t>(workers)),
        services_(std::make_unique<ServiceLimits[]>(stats::kMaxServices)) {}

  uint32_t workers() const { return workers_; }
  ServiceLimits& service(uint32_t slot) { return services_[slot]; }

 private:
  const uint32_t workers_;
  std::unique_ptr<ServiceLimits[]> services_;  // by slot
};

}  // namespace sluice::relay
