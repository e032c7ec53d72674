#pragma once
// The transport header of a packet with new addresses and ports. The checksum follows from the
// words that change (RFC 1624), so that damage on the way stays visible at the end.

#include <cstdint>

#include "base/address.h"
#include "ip/output.h"

namespace sluice::l4 {

struct Addresses {
  Endpoint source;
  Endpoint destination;
};

inline constexpr uint16_t kTcpChecksum = 16;  // offset in the header
inline constexpr uint16_t kUdpChecksum = 6;

inline uint16_t checksum_offset(uint8_t protocol) {
  return protocol == static_cast<uint8_t>(ip::Protocol::kTcp) ? kTcpChecksum : kUdpChecksum;
}

// Writes the ports of `to`, and the checksum that follows from the one in the header, which was
// right for `from`. `header`: of TCP or UDP, whole.
void rewrite(uint8_t* header, uint8_t protocol, const Addresses& from, const Addresses& to);

// Writes the ports, and zero for a checksum that somebody else fills.
void rewrite_unsummed(uint8_t* header, uint8_t protocol, const Addresses& to);

}  // namespace sluice::l4
