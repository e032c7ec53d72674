#pragma once
// Where clients come from, as far as one of them can be told from another: an IPv4 address, or the
// /64 of an IPv6 address, since a host may take any address of its /64 (RFC 4291, 2.5.4).

#include "base/address.h"
#include "base/byte_order.h"

namespace sluice::relay {

// Different for different ones; those of IPv4 are within 0:ffff::/32, which nobody has.
inline uint64_t address_key(const Address& a) {
  return a.is_v4() ? uint64_t{0xffff} << 32 | a.v4_host() : load_be64(a.bytes.data());
}

}  // namespace sluice::relay
