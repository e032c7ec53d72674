#pragma once
// The bulk of an Internet checksum (RFC 1071) in vector registers.

#include <cstddef>
#include <cstdint>

namespace sluice {

inline constexpr size_t kSumBlock = 64;  // bytes

// Sum of the native 32-bit words of [p, p + n), at any alignment; n is a multiple of kSumBlock
// below 4 GiB.
uint64_t sum_blocks(const uint8_t* p, size_t n);

}  // namespace sluice
