#pragma once
// Routes to pods that somebody else knows: the cluster's Nodes, or the kernel.

#include <cstddef>

#include "base/address.h"

namespace sluice::discovery {

struct GatewayRoute {
  Prefix to;
  Address via;  // of the same family

  auto operator<=>(const GatewayRoute&) const = default;
};

// Of one source. A cluster has some thousand nodes, of which each has a network or two.
inline constexpr size_t kMostRoutes = 16'384;

// [routes] of the configuration: where routes are learned.
struct RouteSettings {
  bool nodes = false;   // the Nodes of the cluster of [kubernetes]
  bool kernel = false;  // the main table of the kernel

  bool operator==(const RouteSettings&) const = default;
};

}  // namespace sluice::discovery
