#pragma once
// The packet that IP delivers to a transport: a whole packet for one of the host's addresses,
// without its IP header. Where the host takes fragments, it may be one.

#include <cstdint>
#include <optional>

#include "base/address.h"
#include "base/byte_order.h"
#include "buf/chain.h"
#include "ip/in_frame.h"
#include "ip/output.h"

namespace sluice::ip {

struct Ports {
  uint16_t source = 0;
  uint16_t destination = 0;

  bool operator==(const Ports&) const = default;
};

// For TCP and UDP, when `header` is long enough for them.
inline std::optional<Ports> parse_ports(uint8_t protocol, buf::View header) {
  if (protocol != static_cast<uint8_t>(Protocol::kTcp) &&
      protocol != static_cast<uint8_t>(Protocol::kUdp))
    return std::nullopt;
  if (header.size() < 4) return std::nullopt;
  return Ports{load_be16(header.data()), load_be16(header.data() + 2)};
}

struct TransportPacket {
  Address source;
  Address destination;
  // In an order without gaps, since packets are moved from step to step.
  std::optional<Ports> ports;
  uint16_t fragmentation = kDontFragment;      // flags and fragment offset, as IPv4 has them
  uint8_t protocol = 0;                        // of `payload`: 6 is TCP, 17 is UDP
  uint8_t tos = 0;                             // DSCP and ECN; IPv6's traffic class
  uint8_t ttl = kDefaultTtl;                   // as received; IPv6's hop limit
  L4Checksum checksum = L4Checksum::kUnknown;  // not summed by IP
  uint32_t identification = 0;                 // IPv4's, of 16 bits, or that of a fragment of IPv6
  uint16_t segment_size = 0;                   // as InFrame's
  buf::Chain payload;                          // transport header first, no padding behind it
};

// The bytes that the checksum of a packet of TCP or UDP covers: not those behind the end of a
// datagram whose length says less than IP's (RFC 768; RFC 9868, 5). A length that cannot be is
// ignored.
uint32_t summed_size(const TransportPacket& packet);

// Whether a packet of TCP or UDP is undamaged. A packet that the NIC verified is not summed again:
// kNone stays, and a sender that forwards the packet must fill its checksum. Every other packet is
// summed and becomes kGood or kBad, since NICs also report packets as bad that they only do not
// understand.
bool verify_checksum(TransportPacket& packet);

}  // namespace sluice::ip
