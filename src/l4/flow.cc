#include "l4/flow.h"

#include <cstring>

namespace sluice::l4 {

uint32_t hash(const SipKey& secret, const FlowKey& key) {
  SipHash<1, 3> h(secret);
  const auto word = [&](size_t at) {
    uint64_t w;
    std::memcpy(&w, key.remote.address.bytes.data() + at, sizeof w);
    return w;
  };
  // The first half of an IPv4 address is zero, and no IPv6 address has ffff in that place.
  if (!key.remote.address.is_v4()) h.absorb(word(0));
  h.absorb(word(8));
  h.absorb(key.remote.port | uint64_t{key.local_port} << 16 | uint64_t{key.local} << 32 |
           uint64_t{key.protocol} << 48 | static_cast<uint64_t>(key.side) << 56);
  return static_cast<uint32_t>(h.finish());
}

}  // namespace sluice::l4
