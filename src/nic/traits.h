#pragma once
// The offloads and limits of one port that the data path uses. Nothing in this project asks for a
// driver's name.

#include <rte_ethdev.h>

#include <array>
#include <cstdint>

#include "config/nic_profile.h"

namespace sluice::nic {

// Fixed when the port starts.
struct Traits {
  bool multi_segment = false;
  bool tx_checksum = false;       // TCP and UDP
  bool tx_ipv4_checksum = false;  // the IPv4 header
  bool tso = false;
  bool tso_length = false;   // the pseudo-header's sum of packets to be cut has their length
  bool rx_checksum = false;  // verifies TCP and UDP checksums of received packets
  bool lro = false;          // makes one packet of several
  bool scatter = false;      // receives a packet longer than a buffer as a chain
  uint16_t tx_segments = 8;  // most buffers of one transmitted frame
  uint64_t tx_offloads = 0;  // RTE_ETH_TX_OFFLOAD_*
  uint64_t rx_offloads = 0;  // RTE_ETH_RX_OFFLOAD_*
};

// The bits that a device must offer for a claim of its profile.
inline constexpr uint64_t kTxChecksum = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
inline constexpr uint64_t kRxChecksum = RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
inline constexpr uint64_t kLro = RTE_ETH_RX_OFFLOAD_TCP_LRO | RTE_ETH_RX_OFFLOAD_SCATTER;

// Most buffers of one transmitted frame that the device takes; UINT16_MAX when it does not say.
uint16_t most_segments(const rte_eth_dev_info& device);

// A claim of a profile beside the device's offer.
struct OffloadClaim {
  const char* key;  // of the profile
  bool claimed;
  bool offered;
};
std::array<OffloadClaim, 6> offload_claims(const config::NicProfile& profile,
                                           const rte_eth_dev_info& device);

// The part of the profile that the device offers.
Traits traits_of(const config::NicProfile& profile, const rte_eth_dev_info& device);

}  // namespace sluice::nic
