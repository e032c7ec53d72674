#include "steer/toeplitz.h"

#include <cassert>

namespace sluice::steer {

Toeplitz::Toeplitz(std::span<const uint8_t> key) : windows_(kMaxInput) {
  assert(key.size() >= kLeastKey);
  const auto bit = [&](size_t i) { return uint32_t{key[i / 8]} >> (7 - i % 8) & 1; };
  for (size_t at = 0; at < kMaxInput; ++at) {
    for (size_t b = 0; b < 8; ++b) {
      uint32_t window = 0;
      for (size_t i = 0; i < 32; ++i) window = window << 1 | bit(at * 8 + b + i);
      for (unsigned value = 0; value < 256; ++value)
        if ((value >> (7 - b) & 1) != 0) windows_[at][value] ^= window;
    }
  }
}

uint32_t Toeplitz::hash(const Endpoint& source, const Endpoint& destination) const {
  const size_t first = source.address.is_v4() ? 12 : 0;  // of an address's 16 bytes
  uint32_t sum = 0;
  size_t at = 0;
  for (const Endpoint* e : {&source, &destination})
    for (size_t i = first; i < 16; ++i) sum ^= windows_[at++][e->address.bytes[i]];
  for (const Endpoint* e : {&source, &destination}) {
    sum ^= windows_[at++][e->port >> 8];
    sum ^= windows_[at++][e->port & 0xff];
  }
  return sum;
}

}  // namespace sluice::steer
