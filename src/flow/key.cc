#include "flow/key.h"

#include <cstring>

namespace sluice::flow {

namespace {

template <class Word>
Word load(const uint8_t* p) {
  Word w;
  std::memcpy(&w, p, sizeof w);
  return w;
}

}  // namespace

// table_hash() of addresses, ports and protocol in a row, without copying them into a row.
uint32_t hash(const SipKey& secret, const Key& key) {
  SipHash<1, 3> h(secret);
  const uint8_t* remote = key.remote.address.bytes.data();
  const uint8_t* local = key.local.address.bytes.data();
  uint64_t size = 37;  // keeps the families apart
  if (key.remote.address.is_v4()) {
    size = 13;
    h.absorb(load<uint32_t>(remote + 12) | uint64_t{load<uint32_t>(local + 12)} << 32);
  } else {
    h.absorb(load<uint64_t>(remote));
    h.absorb(load<uint64_t>(remote + 8));
    h.absorb(load<uint64_t>(local));
    h.absorb(load<uint64_t>(local + 8));
  }
  h.absorb(key.remote.port | uint64_t{key.local.port} << 16 | uint64_t{key.protocol} << 32 |
           size << 56);
  return static_cast<uint32_t>(h.finish());
}

}  // namespace sluice::flow
