#pragma once
// ICMP (RFC 792) and ICMPv6 (RFC 4443) errors: a packet that somebody sent did not arrive.

#include <cstdint>
#include <optional>

#include "base/address.h"
#include "buf/slice.h"
#include "ip/transport_packet.h"

namespace sluice::ip {

// The packet that an error is about, as far as the error quotes it. Nothing proves that it was ever
// sent: who believes it looks for something that only the way of the packet can know (RFC 5927).
struct QuotedPacket {
  Address source;
  Address destination;
  uint8_t protocol = 0;
  std::optional<Ports> ports;
  std::optional<uint32_t> tcp_seq;  // its sequence number, of TCP
};

struct IcmpError {
  enum class Kind : uint8_t { kUnreachable, kPacketTooBig, kTimeExceeded, kParameterProblem };

  Kind kind{};
  Address source;  // who found the error
  Address destination;
  uint32_t mtu = 0;  // kPacketTooBig: bytes of an IP packet that the path takes, within reason
  QuotedPacket quoted;
  buf::Slice message;  // as it came: ICMP header first, its checksum verified
};

// `quote` begins with an IP header of that family. Length and checksum of the quote are not looked
// at: routers on the way may have changed or cut it. IPv6 extension headers are not looked through:
// Sluice sends none. nullopt without a whole IP header.
std::optional<QuotedPacket> parse_quoted(buf::View quote, bool v4);

// `message`: an ICMP header of 8 bytes at least, its checksum verified; of the family of `source`.
// nullopt when it is no error, or quotes no packet.
std::optional<IcmpError> parse_icmp_error(const Address& source, const Address& destination,
                                          buf::Slice message);

}  // namespace sluice::ip
