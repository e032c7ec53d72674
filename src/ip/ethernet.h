#pragma once
// Ethernet II framing.

#include <array>
#include <cstdint>

#include "base/byte_order.h"

namespace sluice::ip {

using Mac = std::array<uint8_t, 6>;
inline constexpr Mac kBroadcast{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

inline constexpr uint16_t kEtherIpv4 = 0x0800;
inline constexpr uint16_t kEtherArp = 0x0806;
inline constexpr uint16_t kEtherIpv6 = 0x86dd;
inline constexpr uint32_t kEthernetSize = 14;

inline bool is_multicast(const uint8_t* mac) {
  return (mac[0] & 1) != 0;
}

inline void emit_ethernet(uint8_t* p, const Mac& to, const uint8_t* from, uint16_t type) {
  std::memcpy(p, to.data(), 6);
  std::memcpy(p + 6, from, 6);
  store_be16(p + 12, type);
}

}  // namespace sluice::ip
