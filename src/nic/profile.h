#pragma once
// What a NIC can do and how it is driven, as data. A profile states what people have found out
// about a driver (nic_profiles/*.toml); the device states what it claims; the data path uses what
// both agree on. Nothing in this project asks for a driver's name.

#include <rte_ethdev.h>

#include <cstdint>
#include <string>

namespace sluice::nic {

// The facts of a nic_profiles/ file. The defaults describe the most cautious port.
struct Profile {
  std::string name;
  bool multi_segment = false;  // transmits chains of mbufs correctly
  bool tx_checksum = false;    // IPv4 header, TCP and UDP
  bool tso = false;
  bool rss = false;                // spreads flows over queues by hash
  bool dense_pool = false;         // receive buffers must lie gapless in one memory area
  bool tx_from_rx_pool = false;    // transmits without a copy only from the receive pool
  bool copies_in_process = false;  // the driver fills buffers through libc (address sanitizer)
  uint16_t rx_offset = 128;        // bytes from a buffer's start to a received frame
  uint16_t max_mtu = 1500;
  uint16_t max_queues = 1;
  uint16_t rx_descriptors = 1024;  // a queue keeps as many buffers
  uint16_t tx_descriptors = 1024;
  uint16_t tx_burst = 256;  // frames gathered before the driver is called
};

// What the data path uses of one port, fixed when it starts.
struct Traits {
  bool multi_segment = false;
  bool tx_checksum = false;
  bool tso = false;
  uint64_t tx_offloads = 0;  // RTE_ETH_TX_OFFLOAD_*
};

// The profile cut down to what the device offers.
Traits traits_of(const Profile& profile, const rte_eth_dev_info& device);

}  // namespace sluice::nic
