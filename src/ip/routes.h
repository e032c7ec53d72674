#pragma once
// The routes of a host: the longest prefix that contains a destination wins.

#include <cstdint>
#include <optional>
#include <unordered_map>
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
    if (!tables_.empty()) return find_in_tables(destination);
    for (const Route& r : routes_)
      if (r.to.contains(destination)) return &r;
    return nullptr;
  }

 private:
  // With more routes than this, tables are searched, one for each length of a prefix.
  static constexpr size_t kFew = 16;
  struct Hash {
    size_t operator()(const Address& a) const { return hash_of(a); }
  };
  struct Table {
    bool v4;
    unsigned length;
    std::unordered_map<Address, uint32_t, Hash> by_network;  // indices into routes_
  };

  const Route* find_in_tables(const Address& destination) const;

  std::vector<Route> routes_;  // longest prefix first
  std::vector<Table> tables_;  // in the same order
};

}  // namespace sluice::ip
