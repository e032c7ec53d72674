#include "control/maglev_tables.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>

namespace sluice::control {
namespace {

// Of each service: whether listeners forward packets to it.
std::vector<bool> forwarded_to(const config::Snapshot& snapshot) {
  std::vector<bool> out(snapshot.services.size());
  for (const config::Listener& l : snapshot.listeners)
    if (l.forwards_packets()) out[l.service] = true;
  return out;
}

bool has_address_of_family(const config::Startup& startup, bool v4) {
  for (const config::Port& port : startup.ports)
    for (const Prefix& p : port.addresses)
      if (p.address.is_v4() == v4) return true;
  return false;
}

// Whether the tables of both are equal.
bool same_pods(const config::Service& a, const config::Service& b) {
  if (a.pods.shares_with(b.pods)) return true;
  return std::equal(a.pods.begin(), a.pods.end(), b.pods.begin(), b.pods.end(),
                    [](const config::Pod& x, const config::Pod& y) {
                      return x.endpoint == y.endpoint && x.weight == y.weight;
                    });
}

std::shared_ptr<const Maglev> make_table(const config::Service& service,
                                         const config::Startup& startup) {
  std::vector<Maglev::Backend> backends;
  backends.reserve(service.pods.size());
  for (const config::Pod& p : service.pods) {
    const bool reachable = has_address_of_family(startup, p.endpoint.address.is_v4());
    backends.push_back({.identity = mix64(hash_of(p.endpoint.address) ^ p.endpoint.port),
                        .weight = reachable ? p.weight : 0});
  }
  return std::make_shared<const Maglev>(backends);
}

bool chooses(const config::Service* service) {
  return service != nullptr && service->table.maglev != nullptr &&
         !service->table.maglev->entries().empty();
}

}  // namespace

std::vector<std::string> fill_maglev_tables(config::Snapshot& next,
                                            const config::Snapshot* before) {
  std::vector<std::string> lines;
  const std::vector<bool> used = forwarded_to(next);
  std::unordered_map<std::string_view, const config::Service*> known;
  if (before != nullptr && std::find(used.begin(), used.end(), true) != used.end())
    for (const config::Service& s : before->services) known.emplace(s.name, &s);
  for (size_t i = 0; i < next.services.size(); ++i) {
    config::Service& service = next.services[i];
    if (!used[i]) {
      service.table.maglev.reset();
      continue;
    }
    const auto found = known.find(service.name);
    const config::Service* old = found == known.end() ? nullptr : found->second;
    if (old != nullptr && old->table.maglev != nullptr && same_pods(*old, service)) {
      service.table.maglev = old->table.maglev;
      continue;
    }
    service.table.maglev = make_table(service, next.startup);
    if (!chooses(&service) && (chooses(old) || old == nullptr))
      lines.push_back(fmt::format("service {}: no pod; listeners of tcp and udp refuse new flows",
                                  service.name));
  }
  return lines;
}

}  // namespace sluice::control
