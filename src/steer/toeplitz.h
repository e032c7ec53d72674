#pragma once
// The Toeplitz hash by which a NIC with receive-side scaling chooses the queue of a packet
// (Microsoft, "RSS hashing types"; DPDK's rte_softrss).

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/address.h"

namespace sluice::steer {

class Toeplitz {
 public:
  static constexpr size_t kMaxInput = 36;  // bytes: two IPv6 addresses, two ports
  static constexpr size_t kLeastKey = kMaxInput + 4;

  // key: as the device has it; kLeastKey bytes or more, of which kLeastKey matter.
  explicit Toeplitz(std::span<const uint8_t> key);

  // The hash of a TCP or UDP packet from `source` to `destination`, which are of one family.
  uint32_t hash(const Endpoint& source, const Endpoint& destination) const;
  // The part of the destination's port: the hash is the exclusive or of this, and of the hash with
  // the port zero.
  uint32_t hash_of_port(bool v4, uint16_t destination) const {
    const size_t at = v4 ? 10 : 34;
    return windows_[at][destination >> 8] ^ windows_[at + 1][destination & 0xff];
  }

 private:
  // By position of a byte and its value: the exclusive or of the key's 32-bit windows that its bits
  // select.
  std::vector<std::array<uint32_t, 256>> windows_;
};

}  // namespace sluice::steer
