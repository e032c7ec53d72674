#pragma once
// What a received frame turned out to be.

#include <variant>

#include "ip/icmp_error.h"
#include "ip/transport_packet.h"
#include "stats/drops.h"

namespace sluice::ip {

// IP itself dealt with it: ARP, neighbour discovery, an echo request.
struct Handled {};

using Input = std::variant<Handled, stats::Drop, TransportPacket, IcmpError>;

}  // namespace sluice::ip
