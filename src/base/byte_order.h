#pragma once
// Loads and stores of big-endian integers at any alignment.

#include <bit>
#include <cstdint>
#include <cstring>

namespace sluice {

static_assert(std::endian::native == std::endian::little, "Sluice runs on little-endian machines");

constexpr uint16_t swap16(uint16_t v) {
  return __builtin_bswap16(v);
}
constexpr uint32_t swap32(uint32_t v) {
  return __builtin_bswap32(v);
}
constexpr uint64_t swap64(uint64_t v) {
  return __builtin_bswap64(v);
}

inline uint16_t load_be16(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, sizeof v);
  return swap16(v);
}
inline uint32_t load_be24(const uint8_t* p) {
  return uint32_t{p[0]} << 16 | uint32_t{p[1]} << 8 | p[2];
}
inline uint32_t load_be32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return swap32(v);
}
inline uint64_t load_be64(const uint8_t* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return swap64(v);
}

inline void store_be16(uint8_t* p, uint16_t v) {
  v = swap16(v);
  std::memcpy(p, &v, sizeof v);
}
inline void store_be24(uint8_t* p, uint32_t v) {
  p[0] = static_cast<uint8_t>(v >> 16);
  p[1] = static_cast<uint8_t>(v >> 8);
  p[2] = static_cast<uint8_t>(v);
}
inline void store_be32(uint8_t* p, uint32_t v) {
  v = swap32(v);
  std::memcpy(p, &v, sizeof v);
}
inline void store_be64(uint8_t* p, uint64_t v) {
  v = swap64(v);
  std::memcpy(p, &v, sizeof v);
}

}  // namespace sluice
