#pragma once
// The check before a port starts: whether the device offers what its profile claims, and whether
// port, pool and profile fit together. The profile is trusted for what no device can be asked
// (whether a driver really sends chains).

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

// The claims of a profile that the device does not offer, one sentence each. The data path does
// without them (nic/traits.h). A profile that was named is probably the wrong one then. One that
// matched is right: the offers of a driver differ by device, firmware and hypervisor.
std::vector<std::string> find_missing_offers(const Claim& claim);

// One sentence for each fault, each with what to do about it. Empty when there is none.
std::vector<std::string> find_contradictions(const Claim& claim, rte_mempool* rx_pool);

}  // namespace sluice::nic
