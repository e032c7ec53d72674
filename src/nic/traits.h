#pragma once
// The offloads and limits of one port that the data path uses. Nothing in this project asks for a
// driver's name.

#include <rte_ethdev.h>

#include <cstdint>

#include "config/nic_profile.h"

namespace sluice::nic {

// Fixed when the port starts.
struct Traits {
  bool multi_segment = false;
  bool tx_checksum = false;
  bool tso = false;
  bool rx_checksum = false;  // verifies TCP and UDP checksums of received packets
  bool lro = false;          // makes one packet of several
  bool scatter = false;      // receives a packet longer than a buffer as a chain
  uint64_t tx_offloads = 0;  // RTE_ETH_TX_OFFLOAD_*
};

// The part of the profile that the device offers.
Traits traits_of(const config::NicProfile& profile, const rte_eth_dev_info& device);

}  // namespace sluice::nic
