#pragma once
// A packet on its way from the worker at which it arrived to the worker of its flow.

#include <cstdint>

#include "ip/transport_packet.h"

namespace sluice::steer {

struct Packet {
  // Of TCP, its checksum verified; or of a flow that is forwarded (L4), with its ports; or ICMP (v4
  // or v6), an error that quotes a packet of the flow.
  ip::TransportPacket packet;
  uint8_t hand_overs = 1;  // the workers that it has left
};

}  // namespace sluice::steer
