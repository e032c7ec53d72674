#pragma once
// The endpoints of a service, as a source of any kind knows them.

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "config/snapshot.h"

namespace sluice::discovery {

// The conditions of an endpoint, as in an EndpointSlice (discovery.k8s.io/v1). A source that knows
// no conditions keeps these defaults.
struct Conditions {
  bool ready = true;
  bool serving = true;
  bool terminating = false;

  bool operator==(const Conditions&) const = default;
};

struct Endpoint {
  sluice::Endpoint address;
  std::string id;  // a pod's UID, or the name that a file gives; may be empty
  Conditions conditions;
  std::string zone;  // topology.kubernetes.io/zone; empty: the source knows none
  uint32_t weight = 1;

  bool operator==(const Endpoint&) const = default;
};

// The endpoints in the source's order.
using EndpointSet = std::vector<Endpoint>;

// The pods that calls may go to: the endpoints that are ready. If none is ready, the endpoints that
// still serve while they terminate (Kubernetes' KEP-1669), so that a rollout of a service's last
// pods loses no call. An endpoint that is ready although it terminates, as services with
// publishNotReadyAddresses have it, is one of the latter. Two endpoints with the same address and
// id are one pod: the first.
std::vector<config::Pod> pods_of(const EndpointSet& set);

}  // namespace sluice::discovery
