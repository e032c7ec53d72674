#pragma once
// The pods of a service from its endpoints, and the difference between two lists of pods.

#include <cstdint>
#include <optional>
#include <vector>

#include "config/snapshot.h"
#include "discovery/endpoint_set.h"
#include "discovery/reachability.h"

namespace sluice::control {

// The slot of a pod that has none yet.
inline constexpr uint32_t kNoSlot = UINT32_MAX;

// Fills in the pods of a service, and its endpoints that no port reaches. Pods that the service has
// already keep their slots; others have kNoSlot. False: nothing has changed.
bool use_endpoints(config::Service& service, const discovery::EndpointSet& endpoints,
                   const discovery::Reachability& reach);

// By slot: whether one of the pods has it.
std::vector<bool> slots_of(const config::SharedList<config::Pod>& pods);

// The edits that lead from one list to the next, in which pods of the first have their slots and
// others kNoSlot. nullopt when pods have changed their order or their weight.
std::optional<std::vector<config::PodEdit>> edits_between(
    const config::SharedList<config::Pod>& before, const config::SharedList<config::Pod>& next);

}  // namespace sluice::control
