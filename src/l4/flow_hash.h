#pragma once
// The hash of a flow's key. Multilinear hashing (Lemire and Kaser, 2014, "Strongly universal string
// hashing is fast"): the sum of the key's words, each times a secret number. Strangers choose the
// keys, but see no hash: whatever two keys they send, the sums are equal with a probability of
// 2^-32. A last product spreads series of keys.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/address.h"
#include "base/hash.h"

namespace sluice::l4 {

class FlowHash {
 public:
  explicit FlowHash(const SipKey& secret) {
    for (size_t i = 0; i < factors_.size(); ++i) {
      SipHash<2, 4> h(secret);
      h.absorb(i);
      factors_[i] = h.finish() | (i + 1 == factors_.size() ? 1 : 0);
    }
    v4_ = sum_of(Address::v4(uint32_t{0}), 0, 0);
  }

  // ports: those of the remote and of the local end. rest: the other fields of the key.
  uint32_t of(const Address& remote, uint32_t ports, uint32_t rest) const {
    return spread(sum_of(remote, ports, rest));
  }

  // The part of the sum that keys with the same local end share, and the same with the words that
  // all IPv4 addresses share.
  struct Part {
    uint64_t any = 0;
    uint64_t v4 = 0;
  };
  Part part(uint16_t local_port, uint32_t rest) const {
    const uint64_t sum = factors_[5] * (uint32_t{local_port} << 16) + factors_[6] * rest;
    return {factors_[0] + sum, v4_ + sum};
  }
  // of(), of the remote address as a header has it.
  uint32_t of_v4(const Part& part, const uint8_t* remote, uint16_t remote_port) const {
    uint32_t a;
    std::memcpy(&a, remote, sizeof a);
    return spread(part.v4 + factors_[4] * a + factors_[5] * remote_port);
  }
  uint32_t of_v6(const Part& part, const uint8_t* remote, uint16_t remote_port) const {
    return spread(part.any + sum_of(remote) + factors_[5] * remote_port);
  }

 private:
  uint64_t sum_of(const Address& remote, uint32_t ports, uint32_t rest) const {
    return factors_[0] + sum_of(remote.bytes.data()) + factors_[5] * ports + factors_[6] * rest;
  }
  uint64_t sum_of(const uint8_t* remote) const {
    std::array<uint32_t, 4> a;
    std::memcpy(a.data(), remote, sizeof a);
    return factors_[1] * a[0] + factors_[2] * a[1] + factors_[3] * a[2] + factors_[4] * a[3];
  }
  uint32_t spread(uint64_t sum) const {
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{sum} * factors_[7];
    const auto low = static_cast<uint64_t>(product);
    const auto high = static_cast<uint64_t>(product >> 64);
    return static_cast<uint32_t>(low) ^ static_cast<uint32_t>(high);
  }

  std::array<uint64_t, 8> factors_;
  uint64_t v4_ = 0;  // the sum of a key whose other words are zero
};

}  // namespace sluice::l4
