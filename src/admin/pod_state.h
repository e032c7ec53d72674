#pragma once
// The state of a pod, over all workers.

#include "admin/ledger.h"
#include "pods/connectivity.h"

namespace sluice::admin {

// Each worker has its own connections. The state of the pod is the best that any worker has for it.
// Workers that do not use the pod have none.
inline pods::Connectivity state_of(const Ledger& ledger, uint32_t slot) {
  using pods::Connectivity;
  constexpr Connectivity kBestFirst[] = {Connectivity::kReady, Connectivity::kConnecting,
                                         Connectivity::kIdle, Connectivity::kTransientFailure,
                                         Connectivity::kShutdown};
  for (const Connectivity c : kBestFirst)
    for (const stats::Worker* w : ledger.workers())
      if (w->pod(slot).state.get() == static_cast<uint64_t>(c)) return c;
  return Connectivity::kUnused;
}

}  // namespace sluice::admin
