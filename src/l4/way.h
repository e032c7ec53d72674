#pragma once
// The way of a packet from Sluice to its end: translated, to a pod's MAC address, or within a
// packet to the pod.

#include <cstdint>

#include "base/address.h"
#include "config/l4.h"
#include "ip/host.h"
#include "l4/rewrite.h"

namespace sluice::l4 {

struct Way {
  Addresses to;  // the ends of the packet that leaves; only NAT changes them
  config::Forward mode = config::Forward::kNat;
  Address pod;  // of the one-way modes: the neighbour, or the end of the tunnel

  // Where the route that the packet takes leads.
  const Address& next() const { return config::is_one_way(mode) ? pod : to.destination.address; }
};

// The longest transport segment (header and payload, bytes) that fits; 0: there is no route.
uint32_t longest_segment(const Way& way, const ip::Host& host);

// Sends a packet with the ends way.to. Its header takes up to ip::kMaxTransportHeader bytes.
// packet.segment_size is 0 where the packet leaves within another one.
ip::Sent send_on(const Way& way, const ip::OutPacket& packet, ip::Host& host, Time now);

}  // namespace sluice::l4
