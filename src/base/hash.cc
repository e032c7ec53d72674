#include "base/hash.h"

namespace sluice {

uint64_t siphash(const SipKey& key, std::span<const uint8_t> bytes) {
  return SipHash<2, 4>::of(key, bytes);
}

}  // namespace sluice
