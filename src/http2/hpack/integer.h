#pragma once
// Integers with a prefix of N bits (RFC 7541, 5.1). An integer that does not fit 32 bits, or takes
// more than five octets behind the prefix, is an error: no index and no length of ours comes near.

#include <cstdint>

namespace sluice::http2::hpack {

// Bytes of the longest integer written: the prefix and 32 bits in groups of seven.
inline constexpr unsigned kMaxIntegerSize = 6;

// Reads from `p`, which has at least the prefix, and moves it behind the integer. False when the
// integer is cut off at `end` or too large.
template <unsigned kPrefix>
inline bool read_integer(const uint8_t*& p, const uint8_t* end, uint32_t& value) {
  constexpr uint32_t kMax = (1u << kPrefix) - 1;
  value = *p++ & kMax;
  if (value < kMax) [[likely]]
    return true;
  uint64_t v = value;
  for (unsigned shift = 0; shift <= 28; shift += 7) {
    if (p == end) return false;
    const uint8_t b = *p++;
    v += static_cast<uint64_t>(b & 0x7f) << shift;
    if (v > UINT32_MAX) return false;
    if ((b & 0x80) == 0) {
      value = static_cast<uint32_t>(v);
      return true;
    }
  }
  return false;
}

// Writes `value` behind the bits of `pattern` above the prefix. Returns the end.
template <unsigned kPrefix>
inline uint8_t* write_integer(uint8_t* p, uint8_t pattern, uint32_t value) {
  constexpr uint32_t kMax = (1u << kPrefix) - 1;
  if (value < kMax) [[likely]] {
    *p++ = static_cast<uint8_t>(pattern | value);
    return p;
  }
  *p++ = static_cast<uint8_t>(pattern | kMax);
  value -= kMax;
  for (; value >= 0x80; value >>= 7) *p++ = static_cast<uint8_t>(value | 0x80);
  *p++ = static_cast<uint8_t>(value);
  return p;
}

}  // namespace sluice::http2::hpack
