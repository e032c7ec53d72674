#include "splice/proxy_header.h"

#include <algorithm>
#include <cassert>

#include "base/byte_order.h"

namespace sluice::splice {

namespace {

constexpr std::array<uint8_t, 12> kSignature{0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                             0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
constexpr uint8_t kVersion2Proxy = 0x21;  // version 2, command PROXY
constexpr uint8_t kTcp4 = 0x11;
constexpr uint8_t kTcp6 = 0x21;

}  // namespace

ProxyHeader::ProxyHeader(const Endpoint& client, const Endpoint& vip) {
  assert(client.address.is_v4() == vip.address.is_v4());
  const bool v4 = client.address.is_v4();
  const size_t address = v4 ? 4 : 16;
  uint8_t* at = std::copy(kSignature.begin(), kSignature.end(), bytes_.data());
  *at++ = kVersion2Proxy;
  *at++ = v4 ? kTcp4 : kTcp6;
  store_be16(at, static_cast<uint16_t>(2 * address + 4));
  at += 2;
  for (const Endpoint* e : {&client, &vip})
    at = std::copy_n(v4 ? e->address.v4_bytes() : e->address.bytes.data(), address, at);
  for (const Endpoint* e : {&client, &vip}) {
    store_be16(at, e->port);
    at += 2;
  }
  size_ = static_cast<size_t>(at - bytes_.data());
}

}  // namespace sluice::splice
