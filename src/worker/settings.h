#pragma once
// The parts of a configuration snapshot that the rooms below need, in the types of those rooms.

#include <vector>

#include "config/snapshot.h"
#include "ip/host.h"
#include "steer/owner.h"
#include "tcp/config.h"

namespace sluice::worker {

tcp::Config tcp_config(const config::Snapshot& snapshot);

// The local ports of the connections that a stack with this configuration opens.
steer::EphemeralPorts ephemeral_ports(const tcp::Config& config);

// One entry a port, in the order of the ports.
// By port: the addresses from which L4 flows reach pods.
std::vector<std::vector<Address>> snat_addresses(const config::Startup& startup);
// SNAT addresses included.
std::vector<ip::PortAddresses> port_addresses(const config::Startup& startup);
std::vector<ip::Route> learned_routes(const config::Snapshot& snapshot);

// Indices of the ports: first those without listeners, which face pods. So a pod's GOAWAY, for
// example, already applies to the calls that arrive in the same turn.
std::vector<size_t> receive_order(const config::Snapshot& snapshot);

// The snapshots that lead from `from`, one published by a process, to a later one: each differs
// from the one before as its `difference` says. The last is `to`. Empty: there is no such way.
std::vector<const config::Snapshot*> steps_to(const config::Snapshot& to,
                                              const config::Snapshot* from);

// With fewer free hold buffers received data is no longer kept, so that Sluice's own headers and
// control frames still find room: an eighth of the pool.
uint32_t hold_reserve(const config::DpdkConf& dpdk);

}  // namespace sluice::worker
