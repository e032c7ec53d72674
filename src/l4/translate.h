#pragma once
// The last step: a packet of a known flow leaves, of NAT with other addresses and ports.

#include <cstdint>

#include "ip/host.h"
#include "ip/transport_packet.h"
#include "l4/way.h"
#include "stats/l4.h"

namespace sluice::l4 {

// Whether the packet, one of IPv6, leaves in IPv4 without DF: routers cut it where less than 1,260
// bytes pass, since its sender makes none shorter than 1,280 (RFC 7915, 5.1; RFC 8201, 4). Such a
// packet needs an identification.
bool may_be_cut(const ip::TransportPacket& packet, const Way& way);

// Sends the packet; header_size as l4::header_size() says. A complete checksum is adapted, so that
// damage stays visible at the end. A partial checksum, and those of packets that are cut, are
// filled by the port. A packet of several segments is cut anew where the outgoing port needs it.
// The MSS of a SYN is lowered to what both sides' ports take. A packet that leaves as it came (DSR)
// keeps its TTL and its MSS. Every drop is counted.
enum class Translated : uint8_t {
  kSent,
  kDropped,
  kTtlExpired,  // and the packet is still as it came, as with kTooLong
  kTooLong,     // for the port that it leaves by
};
Translated translate(ip::TransportPacket& packet, uint32_t header_size, const Way& way,
                     ip::Host& host, stats::L4& counters, Time now);

// The same for a fragment behind the first, which has no transport header. One that would have to
// change the version of IP is dropped.
Translated translate_fragment(const ip::TransportPacket& packet, const Way& way, ip::Host& host,
                              stats::L4& counters, Time now);

}  // namespace sluice::l4
