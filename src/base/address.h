#pragma once
// Network addresses of either family, in sixteen bytes: IPv4 lives in ::ffff:0:0/96 (RFC 4291,
// 2.5.5.2), so that nothing above can assume four bytes.

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/byte_order.h"
#include "base/hash.h"

namespace sluice {

struct Address {
  std::array<uint8_t, 16> bytes{};

  static constexpr Address v4(uint32_t host_order) {
    Address a;
    a.bytes[10] = a.bytes[11] = 0xff;
    for (unsigned i = 0; i < 4; ++i)
      a.bytes[12 + i] = static_cast<uint8_t>(host_order >> (24 - 8 * i));
    return a;
  }
  static Address v4(const uint8_t* network_order) { return v4(load_be32(network_order)); }

  bool is_v4() const {
    uint64_t first;
    uint32_t second;
    std::memcpy(&first, bytes.data(), sizeof first);
    std::memcpy(&second, bytes.data() + sizeof first, sizeof second);
    return first == 0 && second == swap32(0xffff);
  }
  const uint8_t* v4_bytes() const { return bytes.data() + 12; }
  uint32_t v4_host() const { return load_be32(v4_bytes()); }
  bool unspecified() const { return *this == Address{} || *this == v4(uint32_t{0}); }

  auto operator<=>(const Address&) const = default;
  // Several for each packet: two words, not a call of memcmp.
  constexpr bool operator==(const Address& o) const {
    const auto a = std::bit_cast<std::array<uint64_t, 2>>(bytes);
    const auto b = std::bit_cast<std::array<uint64_t, 2>>(o.bytes);
    return ((a[0] ^ b[0]) | (a[1] ^ b[1])) == 0;
  }

  // Dotted quad or RFC 5952 text; nullopt for anything else.
  static std::optional<Address> parse(std::string_view text);
  std::string str() const;
};

struct Endpoint {
  Address address;
  uint16_t port = 0;

  auto operator<=>(const Endpoint&) const = default;

  // "198.18.0.10:50051" or "[2001:db8::1]:50051".
  static std::optional<Endpoint> parse(std::string_view text);
  std::string str() const;
};

// An address with the prefix length of its network: 198.18.0.2/24.
struct Prefix {
  Address address;
  uint8_t length = 128;  // bits, counted in the sixteen-byte form: an IPv4 /24 is 120

  auto operator<=>(const Prefix&) const = default;

  // ::/0 is not the way to IPv4.
  bool contains(const Address& a) const {
    const auto differ = [&](size_t at, unsigned bits) {  // in the first bits of the eight bytes at
      return bits != 0 &&
             (load_be64(a.bytes.data() + at) ^ load_be64(address.bytes.data() + at)) >> (64 - bits);
    };
    const unsigned high = std::min<unsigned>(length, 64);
    return !differ(0, high) && !differ(8, length - high) && a.is_v4() == address.is_v4();
  }
  // "198.18.0.2/24" or "2001:db8::1/64"; without a slash, the single address.
  static std::optional<Prefix> parse(std::string_view text);
  std::string str() const;
};

// Not keyed: tables that strangers can fill mix a secret seed in.
inline uint64_t hash_of(const Address& a) {
  uint64_t w[2];
  std::memcpy(w, a.bytes.data(), sizeof w);
  return mix64(w[0] * 0x9e3779b97f4a7c15ULL ^ w[1]);
}

}  // namespace sluice
