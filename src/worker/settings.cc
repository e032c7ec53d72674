#include "worker/settings.h"

#include <algorithm>
#include <numeric>

namespace sluice::worker {

tcp::Config tcp_config(const config::Snapshot& snapshot) {
  const config::Memory& memory = snapshot.startup.memory;
  const config::Timeouts& timeouts = snapshot.timeouts;
  const config::Limits& limits = snapshot.limits;
  tcp::Config c;
  c.max_connections = memory.connections;
  c.max_half_open = memory.half_open;
  c.max_time_wait = memory.time_wait;
  c.time_wait = timeouts.time_wait;
  // The relay has a timer for each connect, since services may differ and a reload may change the
  // timeout. TCP's own timeout must not expire before. A day is the most that a configuration may
  // say.
  c.connect_timeout = 24h;
  c.user_timeout = timeouts.tcp_user;
  c.keepalive_idle = timeouts.tcp_keepalive;
  c.closing_timeout = snapshot.guards.closing_timeout;
  c.receive_buffer = limits.receive_buffer;
  c.receive_buffer_max = std::max(limits.receive_buffer, limits.receive_buffer_max);
  c.send_buffer = limits.send_buffer;
  c.connections_per_address = limits.connections_per_address;
  c.send_buffer_max = std::max(limits.send_buffer, limits.send_buffer_max);
  return c;
}

steer::EphemeralPorts ephemeral_ports(const tcp::Config& config) {
  return {.first = config.first_ephemeral_port, .last = config.last_ephemeral_port};
}

std::vector<std::vector<Address>> snat_addresses(const config::Startup& startup) {
  std::vector<std::vector<Address>> all;
  for (const config::Port& port : startup.ports) {
    std::vector<Address>& sources = all.emplace_back(port.snat_addresses);
    for (const Prefix& p : port.addresses)
      if (std::none_of(sources.begin(), sources.end(),
                       [&](const Address& a) { return a.is_v4() == p.address.is_v4(); }))
        sources.push_back(p.address);
  }
  return all;
}

std::vector<ip::PortAddresses> port_addresses(const config::Startup& startup) {
  std::vector<ip::PortAddresses> all;
  for (const config::Port& port : startup.ports) {
    ip::PortAddresses one{port.addresses, {}};
    for (const Address& a : port.snat_addresses)
      if (std::none_of(one.addresses.begin(), one.addresses.end(),
                       [&](const Prefix& p) { return p.address == a; }))
        one.addresses.push_back({a});
    for (const config::Route& r : port.routes) one.routes.push_back({.to = r.to, .via = r.via});
    all.push_back(std::move(one));
  }
  return all;
}

std::vector<ip::Route> learned_routes(const config::Snapshot& snapshot) {
  std::vector<ip::Route> all;
  for (const config::LearnedRoute& r : snapshot.learned_routes)
    all.push_back({.to = r.route.to, .via = r.route.via, .port = r.port});
  return all;
}

std::vector<size_t> receive_order(const config::Snapshot& snapshot) {
  const auto& ports = snapshot.startup.ports;
  const auto faces_pods = [&](size_t port) {
    return std::none_of(snapshot.listeners.begin(), snapshot.listeners.end(), [&](const auto& l) {
      const auto& networks = ports[port].addresses;
      return std::any_of(networks.begin(), networks.end(),
                         [&](const Prefix& p) { return p.contains(l.address.address); });
    });
  };
  std::vector<size_t> order(ports.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_partition(order.begin(), order.end(), faces_pods);
  return order;
}

uint32_t hold_reserve(const config::DpdkConf& dpdk) {
  return dpdk.hold_mbufs / 8;
}

std::vector<const config::Snapshot*> steps_to(const config::Snapshot& to,
                                              const config::Snapshot* from) {
  std::vector<const config::Snapshot*> steps;
  for (const config::Snapshot* s = &to; s != from; s = s->difference->from) {
    if (from == nullptr || !s->difference || s->generation <= from->generation) return {};
    steps.insert(steps.begin(), s);
  }
  return steps;
}

}  // namespace sluice::worker
