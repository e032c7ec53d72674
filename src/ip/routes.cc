#include "ip/routes.h"

#include <algorithm>

#include "base/network_of.h"

namespace sluice::ip {

RouteTable::RouteTable(std::vector<Route> routes) : routes_(std::move(routes)) {
  std::stable_sort(routes_.begin(), routes_.end(),
                   [](const Route& a, const Route& b) { return a.to.length > b.to.length; });
  if (routes_.size() <= kFew) return;
  for (uint32_t i = 0; i < routes_.size(); ++i) {
    const Prefix& to = routes_[i].to;
    const bool v4 = to.address.is_v4();
    auto table = std::find_if(tables_.begin(), tables_.end(),
                              [&](const Table& t) { return t.v4 == v4 && t.length == to.length; });
    if (table == tables_.end()) table = tables_.insert(table, Table{v4, to.length, {}});
    table->by_network.try_emplace(network_of(to.address, to.length), i);
  }
}

const Route* RouteTable::find_in_tables(const Address& destination) const {
  const bool v4 = destination.is_v4();
  for (const Table& t : tables_) {
    if (t.v4 != v4) continue;
    const auto found = t.by_network.find(network_of(destination, t.length));
    if (found != t.by_network.end()) return &routes_[found->second];
  }
  return nullptr;
}

}  // namespace sluice::ip
