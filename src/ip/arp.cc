#include "ip/arp.h"

namespace sluice::ip {

std::optional<Arp> Arp::parse(buf::View b) {
  constexpr uint64_t kIpv4OverEthernet = 0x0001'0800'06'04;  // htype, ptype, hlen, plen
  if (b.size() < kArpSize || load_be64(b.data()) >> 16 != kIpv4OverEthernet) return std::nullopt;
  const uint16_t operation = load_be16(b.data() + 6);
  if (operation != 1 && operation != 2) return std::nullopt;
  Arp a;
  a.operation = static_cast<Operation>(operation);
  std::memcpy(a.sender_mac.data(), b.data() + 8, 6);
  a.sender = Address::v4(b.data() + 14);
  std::memcpy(a.target_mac.data(), b.data() + 18, 6);
  a.target = Address::v4(b.data() + 24);
  return a;
}

void Arp::emit(uint8_t* p) const {
  store_be16(p, 1);
  store_be16(p + 2, kEtherIpv4);
  p[4] = 6;
  p[5] = 4;
  store_be16(p + 6, static_cast<uint16_t>(operation));
  std::memcpy(p + 8, sender_mac.data(), 6);
  std::memcpy(p + 14, sender.v4_bytes(), 4);
  std::memcpy(p + 18, target_mac.data(), 6);
  std::memcpy(p + 24, target.v4_bytes(), 4);
}

}  // namespace sluice::ip
