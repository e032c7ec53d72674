#include "flow/key.h"

#include <array>
#include <cstring>
#include <span>

namespace sluice::flow {

uint32_t hash(const SipKey& secret, const Key& key) {
  const auto of = [&]<size_t kSize>(std::array<uint8_t, kSize> bytes) {
    constexpr size_t kWidth = kSize / 2 - 2;  // of an address, without what all of its family have
    constexpr size_t kSkipped = sizeof(Address) - kWidth;
    std::memcpy(bytes.data(), key.remote.address.bytes.data() + kSkipped, kWidth);
    std::memcpy(bytes.data() + kWidth, key.local.address.bytes.data() + kSkipped, kWidth);
    std::memcpy(bytes.data() + 2 * kWidth, &key.remote.port, 2);
    std::memcpy(bytes.data() + 2 * kWidth + 2, &key.local.port, 2);
    bytes[2 * kWidth + 4] = key.protocol;
    return static_cast<uint32_t>(table_hash(secret, std::span<const uint8_t, kSize>(bytes)));
  };
  // SipHash knows how long its input was: the families stay apart.
  return key.remote.address.is_v4() ? of(std::array<uint8_t, 13>{}) : of(std::array<uint8_t, 37>{});
}

}  // namespace sluice::flow
