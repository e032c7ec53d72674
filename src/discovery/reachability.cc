#include "discovery/reachability.h"

#include <algorithm>

#include "base/network_of.h"

namespace sluice::discovery {

Reachability::Reachability(const config::Startup& startup,
                           const config::SharedList<config::LearnedRoute>& learned) {
  for (const config::Port& port : startup.ports) {
    prefixes_.insert(prefixes_.end(), port.addresses.begin(), port.addresses.end());
    for (const config::Route& r : port.routes) prefixes_.push_back(r.to);
  }
  for (const config::LearnedRoute& r : learned) {
    const Prefix& to = r.route.to;
    learned_[{to.address.is_v4(), to.length}].insert(network_of(to.address, to.length));
  }
}

bool Reachability::reaches(const Address& address) const {
  const auto holds = [&](const auto& networks) {
    const auto& [family_and_length, all] = networks;
    return family_and_length.first == address.is_v4() &&
           all.contains(network_of(address, family_and_length.second));
  };
  return std::any_of(prefixes_.begin(), prefixes_.end(),
                     [&](const Prefix& p) { return p.contains(address); }) ||
         std::any_of(learned_.begin(), learned_.end(), holds);
}

}  // namespace sluice::discovery
