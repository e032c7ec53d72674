#pragma once
// The header of PROXY protocol version 2, which tells a pod whom it serves
// (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, 2.2).

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/address.h"
#include "buf/slice.h"

namespace sluice::splice {

class ProxyHeader {
 public:
  // client and vip are of one family.
  ProxyHeader(const Endpoint& client, const Endpoint& vip);

  buf::View view() const { return {bytes_.data(), size_}; }

 private:
  // Signature, version and command, family, length, then two IPv6 addresses and two ports.
  static constexpr size_t kMost = 12 + 1 + 1 + 2 + 16 + 16 + 2 + 2;

  std::array<uint8_t, kMost> bytes_;
  size_t size_ = 0;
};

}  // namespace sluice::splice
