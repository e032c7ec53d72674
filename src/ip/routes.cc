#include "ip/routes.h"

#include <algorithm>

namespace sluice::ip {

RouteTable::RouteTable(std::vector<Route> routes) : routes_(std::move(routes)) {
  std::stable_sort(routes_.begin(), routes_.end(),
                   [](const Route& a, const Route& b) { return a.to.length > b.to.length; });
}

}  // namespace sluice::ip
