#pragma once
// Sequence numbers. Inside the stack they are 64 bits wide and never wrap; the wire carries their
// low 32 bits. Each direction of a connection starts in [2^32, 2^33), so that a segment from before
// the start does not underflow.

#include <cstdint>

namespace sluice::tcp {

using Seq = uint64_t;

constexpr Seq first_seq(uint32_t wire) {
  return (uint64_t{1} << 32) | wire;
}

// The wide number nearest to `near` with these low bits (RFC 9293, 3.4: comparisons modulo 2^32).
constexpr Seq widen(Seq near, uint32_t wire) {
  return near + static_cast<uint64_t>(
                    static_cast<int64_t>(static_cast<int32_t>(wire - static_cast<uint32_t>(near))));
}

constexpr uint32_t wire(Seq s) {
  return static_cast<uint32_t>(s);
}

// Whether a is before b, for 32-bit clocks (timestamps).
constexpr bool before(uint32_t a, uint32_t b) {
  return static_cast<int32_t>(a - b) < 0;
}

}  // namespace sluice::tcp
