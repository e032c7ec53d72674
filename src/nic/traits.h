#pragma once
// What the data path uses of one port. Nothing in this project asks for a driver's name.

#include <rte_ethdev.h>

#include <cstdint>

#include "config/nic_profile.h"

namespace sluice::nic {

// Fixed when the port starts.
struct Traits {
  bool multi_segment = false;
  bool tx_checksum = false;
  bool tso = false;
  uint64_t tx_offloads = 0;  // RTE_ETH_TX_OFFLOAD_*
};

// The profile cut down to what the device offers.
Traits traits_of(const config::NicProfile& profile, const rte_eth_dev_info& device);

}  // namespace sluice::nic
