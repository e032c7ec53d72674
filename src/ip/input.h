#pragma once
// The outcome of a received frame.

#include <variant>

#include "ip/icmp_error.h"
#include "ip/transport_packet.h"
#include "stats/drops.h"

namespace sluice::ip {

// IP has processed the frame: ARP, neighbour discovery, an echo request.
struct Handled {};

using Input = std::variant<Handled, stats::Drop, TransportPacket, IcmpError>;

}  // namespace sluice::ip
