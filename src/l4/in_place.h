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
// Whether the folded sum of a few words is all ones. Two steps leave 16 bits and a carry.
inline bool sums_up(uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  return sum == 0xffff || sum == 0x1fffe;
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

// Of an IPv6 address.
struct Known {
  uint64_t sum = 0;  // of its words
  uint64_t hash = 0;
};
constexpr size_t kWords = 4;  // of an IPv6 address
inline Known known(const Address& a) {
  return {sum_of(a.bytes.data(), kWords), hash_of(a)};
}
// hash_of() the IPv6 address at these bytes.
inline uint64_t hash_at(const uint8_t* bytes) {
  Address a;
  std::memcpy(a.bytes.data(), bytes, a.bytes.size());
  return hash_of(a);
}

// Sluice chooses the label of every packet. ports: both.
inline void label_ipv6(uint8_t* ip, uint64_t source_hash, uint64_t destination_hash,
                       uint32_t ports) {
  const uint32_t label = ip::flow_label(source_hash, destination_hash, ports);
  store(ip, (load<uint32_t>(ip) & swap32(0xfff00000)) | swap32(label));
}

// The transport header behind new addresses. ports: both of the new ones, as the header has them.
inline void translate_transport(uint8_t* header, uint8_t protocol, uint32_t ports,
                                uint64_t difference) {
  const auto before = load<uint32_t>(header);
  store(header, ports);
  uint8_t* field = header + checksum_offset(protocol);
  const bool udp = protocol == kUdp;
  const auto sum = load<uint16_t>(field);
  if (udp && sum == 0) return;  // RFC 768: the sender left it out
  const auto after = static_cast<uint16_t>(
      ~folded(static_cast<uint16_t>(~sum) + difference + static_cast<uint32_t>(~before) + ports));
  store(field, udp && after == 0 ? uint16_t{0xffff} : after);
}

inline uint32_t ports_of(uint16_t source, uint16_t destination) {
  return swap32(uint32_t{source} << 16 | destination);
}

// The whole packet, whose addresses are of these versions.
inline void translate_ipv4(uint8_t* ip, const Address& source, const Address& destination,
                           uint32_t ports) {
  const auto new_source = load<uint32_t>(source.v4_bytes());
  const auto new_destination = load<uint32_t>(destination.v4_bytes());
  const uint64_t difference = inverse_sum_of(ip + 12, 2) + new_source + uint64_t{new_destination};
  store(ip + 12, new_source);
  store(ip + 16, new_destination);
  age_ipv4(ip, difference);
  translate_transport(ip + ip::kIpv4Size, ip[9], ports, difference);
}
// before: of both old addresses together.
inline void translate_ipv6(uint8_t* ip, uint64_t before, const Address& source,
                           const Known& of_source, const Address& destination,
                           const Known& of_destination, uint32_t ports) {
  std::memcpy(ip + 8, source.bytes.data(), 16);
  std::memcpy(ip + 24, destination.bytes.data(), 16);
  --ip[7];
  constexpr uint64_t kOnes = 2 * kWords * uint64_t{0xffffffff};
  translate_transport(ip + ip::kIpv6Size, ip[6], ports,
                      kOnes - before + of_source.sum + of_destination.sum);
  label_ipv6(ip, of_source.hash, of_destination.hash, ports);
}

}  // namespace sluice::l4::in_place
