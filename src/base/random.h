#pragma once
// A seeded generator (xoshiro256**, Blackman and Vigna 2018). The same seed gives the same run, so
// a simulated failure can be replayed. Not for secrets.

#include <bit>
#include <cstdint>

#include "base/hash.h"

namespace sluice {

class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& s : state_) s = mix64(seed += 0x9e3779b97f4a7c15ULL);
  }

  uint64_t next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // Uniform in [0, n); n > 0. Lemire's multiply-shift, with a bias below n / 2^64.
  uint64_t below(uint64_t n) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * n) >> 64);
  }

  // Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

  bool chance(double p) { return uniform() < p; }

 private:
  uint64_t state_[4];
};

}  // namespace sluice
