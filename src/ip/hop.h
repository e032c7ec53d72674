#pragma once
// The next hop of a packet, for paths that remember it.

#include <cstddef>
#include <cstdint>

#include "base/address.h"
#include "ip/ethernet.h"

namespace sluice::ip {

// A neighbour, by the routes.
struct NextHop {
  const Address* address;  // of the destination itself, or of a gateway; lives as long as they do
  size_t port;
  bool direct;  // the destination is on the link
};

// The way to it.
struct Hop {
  Mac to{};
  Mac from{};
  uint16_t port = 0;
  uint16_t mtu = 0;  // bytes of an IP packet
};

}  // namespace sluice::ip
