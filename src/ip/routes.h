#pragma once
// Static routes of a node with a few ports: longest prefix first, searched in order.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.h"

namespace sluice::ip {

struct Route {
  Prefix to;
  std::optional<Address> via;  // nullopt: the destination is on the link itself
  uint16_t port = 0;           // index of the outgoing port
};

class RouteTable {
 public:
  // Of routes to equal prefixes the earliest is used.
  explicit RouteTable(std::vector<Route> routes);

  const std::vector<Route>& all() const { return routes_; }
  const Route* find(const Address& destination) const {
    for (const Route& r : routes_)
      if (r.to.contains(destination)) return &r;
    return nullptr;
  }

 private:
  std::vector<Route> routes_;
};

}  // namespace sluice::ip
