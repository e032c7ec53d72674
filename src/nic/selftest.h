#pragma once
// Before a port starts: does the device do what its profile says, and do port, pool and profile
// fit together? What cannot be asked (whether a driver really sends chains) is the profile's
// word.

#include <string>
#include <vector>

#include "nic/pools.h"
#include "nic/traits.h"

namespace sluice::nic {

struct Claim {
  std::string port;  // for the messages
  std::string device;
  config::NicProfile profile;
  rte_eth_dev_info info{};
  uint16_t mtu = 1500;  // bytes of an IP packet
  uint16_t queues = 1;  // of this device
};

// One sentence for each thing that is wrong, each with what to do; empty: all is well.
std::vector<std::string> find_contradictions(const Claim& claim, rte_mempool* rx_pool);

}  // namespace sluice::nic
