#pragma once
// The key of a flow: four-tuple and protocol. Its hash.

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

// The hash is keyed, since strangers choose remote endpoints. Its low bits are as good as its high
// ones.
uint32_t hash(const SipKey& secret, const Key& key);

}  // namespace sluice::flow
