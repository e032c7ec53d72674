#pragma once
// ICMP (RFC 792) and ICMPv6 (RFC 4443) errors: a packet did not arrive.

#include <cstdint>
#include <optional>

#include "base/address.h"
#include "buf/slice.h"
#include "ip/transport_packet.h"

namespace sluice::ip {

// The packet that an error is about, as far as the error quotes it. Nothing proves that the packet
// was ever sent: a transport believes it only if the quote has something that only nodes on the
// packet's path can know (RFC 5927).
struct QuotedPacket {
  Address source;
  Address destination;
  uint8_t protocol = 0;
  std::optional<Ports> ports;
  std::optional<uint32_t> tcp_seq;  // the sequence number of a TCP packet
};

struct IcmpError {
  enum class Kind : uint8_t { kUnreachable, kPacketTooBig, kTimeExceeded, kParameterProblem };

  Kind kind{};
  Address source;  // the node that found the error
  Address destination;
  uint32_t mtu = 0;  // kPacketTooBig: bytes of an IP packet that the path takes, within reason
  QuotedPacket quoted;
  buf::Slice message;  // as received: ICMP header first, its checksum verified
};

// `quote` begins with an IP header of that family. Length and checksum of the quote are ignored,
// since routers on the way may have changed or cut it. Of IPv6's extension headers a fragment's is
// skipped: Sluice sends no other. nullopt without a whole IP header.
std::optional<QuotedPacket> parse_quoted(buf::View quote, bool v4);

// `message`: an ICMP header of 8 bytes at least, its checksum verified; `source` has the same
// family. nullopt when the message is no error, or quotes no packet.
std::optional<IcmpError> parse_icmp_error(const Address& source, const Address& destination,
                                          buf::Slice message);

}  // namespace sluice::ip
