#pragma once
// RST to one end of a connection that Sluice ends (RFC 9293, 3.5.2).

#include <cstdint>

#include "ip/host.h"
#include "l4/rewrite.h"

namespace sluice::l4 {

// sequence: the number that the receiver expects next; it believes no other (RFC 5961, 3.2).
bool send_reset(const Addresses& ends, uint32_t sequence, ip::Host& host, Time now);

}  // namespace sluice::l4
