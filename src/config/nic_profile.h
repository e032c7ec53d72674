#pragma once
// The abilities of a NIC and the way to drive it, as data: one file of nic_profiles/. A profile
// states what people have found out about a driver, and the device states what it offers. The data
// path uses what both have (nic/traits.h).

#include <cstdint>
#include <string>

namespace sluice::config {

// The defaults describe the most cautious port.
struct NicProfile {
  std::string name;
  bool multi_segment = false;      // transmits chains of buffers correctly
  bool tx_checksum = false;        // IPv4 header, TCP and UDP
  bool tso = false;                // cuts a large TCP packet into segments
  bool rss = false;                // spreads flows over queues by a hash that can be computed
  bool dense_pool = false;         // receive buffers must lie gapless in one memory area
  bool tx_from_rx_pool = false;    // transmits without a copy only from the receive pool
  bool copies_in_process = false;  // the driver fills buffers through libc (address sanitizer)
  uint16_t rx_offset = 128;        // bytes from a buffer's start to a received frame
  uint16_t max_mtu = 1500;         // bytes of an IP packet
  uint16_t max_queues = 1;
  uint16_t rx_descriptors = 1024;  // a queue keeps as many buffers
  uint16_t tx_descriptors = 1024;
  uint16_t tx_burst = 256;  // frames that are gathered before the driver is called

  bool operator==(const NicProfile&) const = default;
};

}  // namespace sluice::config
