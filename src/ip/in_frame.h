#pragma once
// A received Ethernet frame, and what the port knows of it.

#include <cstdint>

#include "buf/chain.h"

namespace sluice::ip {

// The state of a transport checksum (DPDK's RTE_MBUF_F_RX_L4_CKSUM_*).
enum class L4Checksum : uint8_t {
  kUnknown,  // not summed yet
  kBad,      // summed, and wrong
  kGood,     // summed, and right
  kNone,     // the data is verified, but the field holds only the pseudo-header's sum, or any value
};

struct InFrame {
  // Bytes of headers that a port gathers in the first buffer: Ethernet with a VLAN tag, IPv6 or
  // IPv4 with options, and TCP with options. A shorter frame lies in one buffer.
  static constexpr uint32_t kHeaders = 18 + 60 + 60;

  buf::Chain bytes;
  L4Checksum checksum = L4Checksum::kUnknown;
  // > 0: the port made one packet of several (LRO); payload bytes of each of them but the last.
  uint16_t segment_size = 0;
};

}  // namespace sluice::ip
