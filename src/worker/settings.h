#pragma once
// What the rooms below want to know, out of a configuration snapshot.

#include <vector>

#include "config/snapshot.h"
#include "ip/host.h"
#include "tcp/config.h"

namespace sluice::worker {

tcp::Config tcp_config(const config::Snapshot& snapshot);

// One entry a port, in the order of the ports.
std::vector<ip::PortAddresses> port_addresses(const config::Startup& startup);

// Free hold buffers below which received data is no longer kept, so that Sluice's own headers and
// control frames still find room: an eighth of the pool.
uint32_t hold_reserve(const config::DpdkConf& dpdk);

}  // namespace sluice::worker
