#include "ip/ndp.h"

#include <cstring>

#include "base/byte_order.h"

namespace sluice::ip {

namespace {

constexpr uint32_t kFixedSize = 24;
constexpr uint8_t kSourceLinkAddress = 1;
constexpr uint8_t kTargetLinkAddress = 2;
constexpr uint8_t kSolicitedFlag = 0x40;
constexpr uint8_t kOverrideFlag = 0x20;

uint8_t link_option(uint8_t type) {
  return type == kNdpSolicitation ? kSourceLinkAddress : kTargetLinkAddress;
}

}  // namespace

std::optional<Ndp> Ndp::parse(buf::View m) {
  if (m.size() < kFixedSize || m[1] != 0) return std::nullopt;
  Ndp n;
  n.type = m[0];
  if (n.type == kNdpAdvertisement) {
    n.solicited = (m[4] & kSolicitedFlag) != 0;
    n.overrides = (m[4] & kOverrideFlag) != 0;
  }
  std::memcpy(n.target.bytes.data(), m.data() + 8, 16);
  if (is_multicast(n.target)) return std::nullopt;
  for (size_t i = kFixedSize; i < m.size();) {
    if (i + 2 > m.size()) return std::nullopt;
    const size_t size = m[i + 1] * size_t{8};
    if (size == 0 || i + size > m.size()) return std::nullopt;
    if (m[i] == link_option(n.type) && size == 8) {
      Mac mac;
      std::memcpy(mac.data(), &m[i + 2], mac.size());
      n.link_address = mac;
    }
    i += size;
  }
  return n;
}

void Ndp::emit(uint8_t* p) const {
  std::memset(p, 0, kNdpSize);
  p[0] = type;
  if (solicited) p[4] |= kSolicitedFlag;
  if (overrides) p[4] |= kOverrideFlag;
  std::memcpy(p + 8, target.bytes.data(), 16);
  p[kFixedSize] = link_option(type);
  p[kFixedSize + 1] = 1;  // units of eight bytes
  if (link_address) std::memcpy(p + kFixedSize + 2, link_address->data(), link_address->size());
}

Address solicited_node(const Address& a) {
  Address group;
  group.bytes = {0xff, 2, 0, 0, 0,    0,           0,           0,
                 0,    0, 0, 1, 0xff, a.bytes[13], a.bytes[14], a.bytes[15]};
  return group;
}

Address all_nodes() {
  Address group;
  group.bytes[0] = 0xff;
  group.bytes[1] = 2;
  group.bytes[15] = 1;
  return group;
}

Mac multicast_mac(const Address& group) {
  return {0x33, 0x33, group.bytes[12], group.bytes[13], group.bytes[14], group.bytes[15]};
}

Address link_local(const uint8_t* mac) {
  Address a;
  a.bytes = {0xfe, 0x80};
  a.bytes[8] = mac[0] ^ 2;
  a.bytes[9] = mac[1];
  a.bytes[10] = mac[2];
  a.bytes[11] = 0xff;
  a.bytes[12] = 0xfe;
  a.bytes[13] = mac[3];
  a.bytes[14] = mac[4];
  a.bytes[15] = mac[5];
  return a;
}

}  // namespace sluice::ip
