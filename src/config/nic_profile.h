#pragma once
// The abilities of a NIC and the way to drive it, as data: one file of nic_profiles/. A profile
// states what people have found out about a driver, and the device states what it offers. The data
// path uses what both have (nic/traits.h).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::config {

// The way in which a received flow finds its queue.
enum class Flows : uint8_t {
  kNone,              // the queue of a packet says nothing about its flow
  kRss,               // Toeplitz hash with a known key, and a redirection table (RETA)
  kReturnsWhereSent,  // packets of a flow come back to the queue that last sent to the flow
};

constexpr std::string_view text_of(Flows f) {
  constexpr std::string_view kTexts[] = {"none", "rss", "returns-where-sent"};
  return kTexts[static_cast<size_t>(f)];
}

// The devices that a profile is for. A device has to be in every list that is not empty. A profile
// whose lists are all empty is used by name only.
struct NicMatch {
  std::vector<std::string> drivers;         // DPDK's names: "net_ice"
  std::vector<std::string> pci;             // vendor and device: "8086:10d3"
  std::vector<std::string> kernel_drivers;  // of the kernel's interface behind the device: "veth"
  std::vector<std::string> buses;           // DPDK's names: "pci", "vdev"
  bool operator==(const NicMatch&) const = default;
};

// The defaults describe the most cautious port.
struct NicProfile {
  std::string name;
  bool multi_segment = false;      // transmits chains of buffers correctly
  bool tx_checksum = false;        // TCP and UDP; the IPv4 header too where the device offers it
  bool tso = false;                // cuts a large TCP packet into segments
  bool tso_length = false;         // a packet to be cut needs its length in the pseudo-header's sum
                                   // (VIRTIO 1.2, 5.1.6.2)
  bool rx_checksum = false;        // the device's verdict on TCP and UDP checksums can be trusted
  bool lro = false;                // may join received TCP segments
  bool scatter = false;            // a received frame may lie in several buffers
  bool unoffered = false;          // the driver does not offer tso, lro and scatter, and does them
  bool rx_interrupts = false;      // a received frame can wake a worker that sleeps
  Flows flows = Flows::kNone;      // only rss lets Sluice compute the queue of a flow
  bool dense_pool = false;         // receive buffers must lie gapless in one memory area
  bool tx_from_rx_pool = false;    // transmits without a copy only from the receive pool
  bool copies_in_process = false;  // the driver fills buffers through libc (address sanitizer)
  uint16_t rx_offset = 128;        // bytes from a buffer's start to a received frame
  uint16_t max_mtu = 1500;         // bytes of an IP packet
  uint16_t max_queues = 1;
  uint16_t rx_descriptors = 1024;  // of a ring; a ring keeps as many buffers
  uint16_t rx_rings = 1;           // of one receive queue, all of which the driver fills
  uint16_t tx_descriptors = 1024;
  uint16_t tx_burst = 256;   // frames that are gathered before the driver is called
  uint16_t tx_segments = 8;  // most buffers of one transmitted frame, TSO frames included
  uint16_t tso_least = 0;    // bytes: software cuts packets into segments smaller than this
  NicMatch match;

  bool operator==(const NicProfile&) const = default;
};

}  // namespace sluice::config
