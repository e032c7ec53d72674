#pragma once
// A packet of TCP or UDP with new addresses, ports and TTL, in the buffer in which it lies. Its
// checksums change by the difference (RFC 1624, eqn. 3), so that damage stays visible. Sums are
// taken in native words of 32 bits (RFC 1071, 2). Nothing is read in larger pieces than it was
// written just before, since such a read waits until the writes are in the cache.

#include <bit>
#include <cstdint>
#include <cstring>

#include "base/address.h"
#include "base/byte_order.h"
#include "ip/ipv4.h"
#include "ip/ipv6.h"
#include "l4/header.h"
#include "l4/rewrite.h"

namespace sluice::l4::in_place {

template <class Word>
Word load(const void* p) {
  Word w;
  std::memcpy(&w, p, sizeof w);
  return w;
}
template <class Word>
void store(void* p, Word w) {
  std::memcpy(p, &w, sizeof w);
}

// The 16 bits of the sum, not inverted. Zero only if the sum is.
inline uint16_t folded(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>((sum & 0xffff) + (sum >> 16));
}
inline uint64_t sum_of(const uint8_t* bytes, size_t words) {
  uint64_t sum = 0;
#pragma GCC unroll 10
  for (size_t i = 0; i < words; ++i) sum += load<uint32_t>(bytes + 4 * i);
  return sum;
}
// The address of four bytes of a header.
inline Address address_v4(const uint8_t* bytes) {
  constexpr Address kMapped = Address::v4(uint32_t{0});
  Address a = kMapped;
  std::memcpy(a.bytes.data() + 12, bytes, 4);
  return a;
}
// Each word of an address in its IP version, inverted.
inline uint64_t inverse_sum_of(const uint8_t* bytes, size_t words) {
  return words * uint64_t{0xffffffff} - sum_of(bytes, words);
}

// difference: of all words that change, old ones inverted.
inline void adapt(uint8_t* checksum, uint64_t difference) {
  const auto before = static_cast<uint16_t>(~load<uint16_t>(checksum));
  store(checksum, static_cast<uint16_t>(~folded(before + difference)));
}

// A router's part of the IPv4 header, and `difference` of its addresses.
inline void age_ipv4(uint8_t* ip, uint64_t difference) {
  constexpr uint16_t kHop = std::endian::native == std::endian::little ? 1 : 0x100;
  const auto before = load<uint16_t>(ip + 8);  // TTL and protocol
  const auto after = static_cast<uint16_t>(before - kHop);
  store(ip + 8, after);
  adapt(ip + 10, difference + static_cast<uint16_t>(~before) + after);
}

// Sluice chooses the label of every packet.
inline void label_ipv6(uint8_t* ip, const uint8_t* ports) {
  Address source, destination;
  std::memcpy(source.bytes.data(), ip + 8, 16);
  std::memcpy(destination.bytes.data(), ip + 24, 16);
  const uint32_t label =
      ip::flow_label(hash_of(source), hash_of(destination), load<uint32_t>(ports));
  store_be32(ip, (load_be32(ip) & 0xfff00000) | label);
}

// The transport header behind new addresses.
inline void translate_transport(uint8_t* header, uint8_t protocol, uint16_t source_port,
                                uint16_t destination_port, uint64_t difference) {
  const auto before = load<uint32_t>(header);
  const uint32_t after = swap32(uint32_t{source_port} << 16 | destination_port);
  store(header, after);
  uint8_t* field = header + checksum_offset(protocol);
  const bool udp = protocol == kUdp;
  if (udp && load<uint16_t>(field) == 0) return;  // RFC 768: the sender left it out
  adapt(field, difference + static_cast<uint32_t>(~before) + after);
  if (udp && load<uint16_t>(field) == 0) store(field, uint16_t{0xffff});
}

// The whole packet, whose addresses are of these versions.
inline void translate_ipv4(uint8_t* ip, const Address& source, uint16_t source_port,
                           const Address& destination, uint16_t destination_port) {
  const uint64_t before = inverse_sum_of(ip + 12, 2);
  std::memcpy(ip + 12, source.v4_bytes(), 4);
  std::memcpy(ip + 16, destination.v4_bytes(), 4);
  const uint64_t difference = before + sum_of(ip + 12, 2);
  age_ipv4(ip, difference);
  translate_transport(ip + ip::kIpv4Size, ip[9], source_port, destination_port, difference);
}
inline void translate_ipv6(uint8_t* ip, const Address& source, uint16_t source_port,
                           const Address& destination, uint16_t destination_port) {
  const uint64_t before = inverse_sum_of(ip + 8, 8);
  std::memcpy(ip + 8, source.bytes.data(), 16);
  std::memcpy(ip + 24, destination.bytes.data(), 16);
  --ip[7];
  translate_transport(ip + ip::kIpv6Size, ip[6], source_port, destination_port,
                      before + sum_of(ip + 8, 8));
  label_ipv6(ip, ip + ip::kIpv6Size);
}

}  // namespace sluice::l4::in_place
