#pragma once
// The network of an address, for tables with a key for each network.

#include <algorithm>
#include <cstdint>

#include "base/address.h"

namespace sluice {

// The first bits of the address, counted in the sixteen-byte form as Prefix::length; the others are
// zero.
inline Address network_of(Address a, unsigned length) {
  for (unsigned i = 0; i < a.bytes.size(); ++i) {
    const unsigned bits = length > 8 * i ? std::min(length - 8 * i, 8u) : 0;
    a.bytes[i] &= static_cast<uint8_t>(0xff00u >> bits);
  }
  return a;
}

}  // namespace sluice
