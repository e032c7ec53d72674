#pragma once
// The Internet checksum (RFC 1071).

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/address.h"
#include "base/byte_order.h"
#include "base/word_sum.h"
#include "buf/chain.h"
#include "buf/slice.h"

namespace sluice::ip {

// The sum of the bytes as big-endian 16-bit words, carries not yet folded. An odd last byte counts
// as the high half of a word. Of several pieces only the last may have an odd length.
inline uint64_t sum_words(buf::View bytes, uint64_t sum = 0) {
  const uint8_t* p = bytes.data();
  size_t n = bytes.size();
  // One's complement sums may be taken in any word size and byte order (RFC 1071, 2): native
  // 32-bit words, swapped once at the end.
  uint64_t native = 0;
  if (n >= 2 * kSumBlock) {
    const size_t blocks = n / kSumBlock * kSumBlock;
    native = sum_blocks(p, blocks);
    p += blocks;
    n -= blocks;
  }
  for (; n >= 4; p += 4, n -= 4) {
    uint32_t w;
    std::memcpy(&w, p, sizeof w);
    native += w;
  }
  if (n >= 2) {
    uint16_t w;
    std::memcpy(&w, p, sizeof w);
    native += w;
    p += 2;
    n -= 2;
  }
  if (n == 1) native += *p;
  native = (native & 0xffffffff) + (native >> 32);
  native = (native & 0xffffffff) + (native >> 32);
  native = (native & 0xffff) + (native >> 16);
  native = (native & 0xffff) + (native >> 16);
  return sum + swap16(static_cast<uint16_t>(native));
}

// The 16 bits that go into the header, in host order.
inline uint16_t fold(uint64_t sum) {
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

inline uint16_t checksum(buf::View bytes) {
  return fold(sum_words(bytes));
}

// Pseudo-header of RFC 9293, 3.1 and RFC 8200, 8.1.
inline uint64_t sum_pseudo_header(const Address& source, const Address& destination,
                                  uint8_t protocol, uint32_t size) {
  uint64_t sum = uint64_t{protocol} + (size & 0xffff) + (size >> 16);
  const bool v4 = source.is_v4();
  const size_t n = v4 ? 4 : 16;
  sum = sum_words({source.bytes.data() + 16 - n, n}, sum);
  return sum_words({destination.bytes.data() + 16 - n, n}, sum);
}

// Zero when the checksum in `segment` is right.
inline uint16_t checksum_l4(const Address& source, const Address& destination, uint8_t protocol,
                            buf::View segment) {
  return fold(sum_words(segment, sum_pseudo_header(source, destination, protocol,
                                                   static_cast<uint32_t>(segment.size()))));
}

// The sum of a chain's words. Behind a buffer of odd length the bytes of all words are swapped
// (RFC 1071, 2 (B)).
inline uint64_t sum_words(const buf::Chain& bytes, uint64_t sum = 0) {
  bool odd = false;
  bytes.for_each([&](buf::View piece) {
    const auto part = static_cast<uint16_t>(~fold(sum_words(piece)));
    sum += odd ? swap16(part) : part;
    odd ^= piece.size() % 2 != 0;
  });
  return sum;
}

// The same of its first `size` bytes.
inline uint64_t sum_words(const buf::Chain& bytes, uint32_t size, uint64_t sum) {
  bool odd = false;
  bytes.for_each([&](buf::View piece) {
    piece = piece.first(std::min<size_t>(piece.size(), size));
    size -= static_cast<uint32_t>(piece.size());
    const auto part = static_cast<uint16_t>(~fold(sum_words(piece)));
    sum += odd ? swap16(part) : part;
    odd ^= piece.size() % 2 != 0;
  });
  return sum;
}

inline uint16_t checksum_l4(const Address& source, const Address& destination, uint8_t protocol,
                            const buf::Chain& segment) {
  if (segment.single()) [[likely]]
    return checksum_l4(source, destination, protocol, segment.view());
  return fold(sum_words(segment, sum_pseudo_header(source, destination, protocol, segment.size())));
}

}  // namespace sluice::ip
