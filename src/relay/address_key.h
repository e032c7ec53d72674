#pragma once
// The key of a client's origin, as far as origins can be told apart: an IPv4 address, or the /64 of
// an IPv6 address, since a host may take any address of its /64 (RFC 4291, 2.5.4).

#include "base/address.h"
#include "base/byte_order.h"

namespace sluice::relay {

// Different addresses have different keys. The keys of IPv4 addresses are within 0:ffff::/32, which
// nobody has.
inline uint64_t address_key(const Address& a) {
  return a.is_v4() ? uint64_t{0xffff} << 32 | a.v4_host() : load_be64(a.bytes.data());
}

}  // namespace sluice::relay
