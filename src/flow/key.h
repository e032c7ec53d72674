#pragma once
// The four-tuple and protocol by which packets of one flow are known, and its hash.

#include <cstdint>

#include "base/address.h"
#include "base/hash.h"

namespace sluice::flow {

struct Key {
  Endpoint remote;
  Endpoint local;        // an address that Sluice answers for
  uint8_t protocol = 0;  // as in the IP header: 6 is TCP, 17 is UDP

  bool operator==(const Key&) const = default;
};

// Keyed, since strangers choose remote endpoints. The low bits are as good as the high ones.
uint32_t hash(const SipKey& secret, const Key& key);

}  // namespace sluice::flow
