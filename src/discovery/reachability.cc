#include "discovery/reachability.h"

#include <algorithm>

namespace sluice::discovery {

Reachability::Reachability(const config::Startup& startup) {
  for (const config::Port& port : startup.ports) {
    prefixes_.insert(prefixes_.end(), port.addresses.begin(), port.addresses.end());
    for (const config::Route& r : port.routes) prefixes_.push_back(r.to);
  }
}

bool Reachability::reaches(const Address& address) const {
  return std::any_of(prefixes_.begin(), prefixes_.end(),
                     [&](const Prefix& p) { return p.contains(address); });
}

}  // namespace sluice::discovery
