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
  }

  // ports: those of the remote and of the local end. rest: the other fields of the key.
  uint32_t of(const Address& remote, uint32_t ports, uint32_t rest) const {
    std::array<uint32_t, 4> a;
    std::memcpy(a.data(), remote.bytes.data(), sizeof a);
    const uint64_t sum = factors_[0] + factors_[1] * a[0] + factors_[2] * a[1] +
                         factors_[3] * a[2] + factors_[4] * a[3] + factors_[5] * ports +
                         factors_[6] * rest;
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{sum} * factors_[7];
    return static_cast<uint32_t>(static_cast<uint64_t>(product) ^
                                 static_cast<uint64_t>(product >> 64));
  }

 private:
  std::array<uint64_t, 8> factors_;
};

}  // namespace sluice::l4
