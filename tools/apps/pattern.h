// The payload that pods make up, so that a client can tell each byte without having sent any.
#pragma once

#include <cstddef>
#include <string>

namespace sluice::lab {

// 251 is prime: the pattern does not line up with any frame, segment or buffer size.
inline constexpr std::size_t kPatternPeriod = 251;

inline std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i % kPatternPeriod);
  return bytes;
}

}  // namespace sluice::lab
