#pragma once
// The parts of an outgoing frame that hardware can fill, done in software: checksums, and the
// headers of one piece of a segmented TCP packet. Works on plain bytes.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/byte_order.h"
#include "ip/checksum.h"
#include "ip/output.h"

namespace sluice::nic {

inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;

// The transport protocol of a frame whose l3_size is not 0. IPv6 extension headers are not skipped:
// Sluice sends none.
inline uint8_t protocol_of(const ip::OutFrame& f, const uint8_t* frame) {
  return frame[f.l2_size + (f.v4 ? 9 : 6)];
}

inline void fill_ipv4_checksum(const ip::OutFrame& f, uint8_t* frame) {
  uint8_t* header = frame + f.l2_size;
  store_be16(header + 10, 0);
  store_be16(header + 10, ip::checksum({header, f.l3_size}));
}

// The sum of the pseudo-header (RFC 9293, 3.1; RFC 8200, 8.1) for `size` bytes of transport.
inline uint64_t pseudo_header_sum(const ip::OutFrame& f, const uint8_t* frame, uint32_t size) {
  const uint8_t* header = frame + f.l2_size;
  const uint64_t sum = uint64_t{protocol_of(f, frame)} + (size & 0xffff) + (size >> 16);
  return f.v4 ? ip::sum_words({header + 12, 8}, sum) : ip::sum_words({header + 8, 32}, sum);
}

// `frame` begins with the headers, its checksum field zero. `size` is the size of the whole frame.
// `sum` is the sum of its words from the transport header on.
inline void fill_l4_checksum(const ip::OutFrame& f, uint8_t* frame, uint32_t size, uint64_t sum) {
  const uint32_t l4 = f.l2_size + f.l3_size;
  const uint8_t protocol = protocol_of(f, frame);
  // RFC 792: the checksum of ICMP covers no pseudo-header; that of ICMPv6 (RFC 4443, 2.3) does.
  if (!(f.v4 && protocol == kProtocolIcmp)) sum += pseudo_header_sum(f, frame, size - l4);
  uint16_t value = ip::fold(sum);
  if (value == 0 && protocol == kProtocolUdp) value = 0xffff;  // RFC 768: 0 means "none"
  store_be16(frame + f.l4_checksum_offset, value);
}

// The same for a frame in one piece.
inline void fill_l4_checksum(const ip::OutFrame& f, uint8_t* frame, uint32_t size) {
  const uint32_t l4 = f.l2_size + f.l3_size;
  fill_l4_checksum(f, frame, size, ip::sum_words({frame + l4, size - l4}));
}

// The value that hardware expects in the checksum field: the pseudo-header's sum, not inverted; for
// TSO, with `size` 0.
inline void fill_pseudo_checksum(const ip::OutFrame& f, uint8_t* frame, uint32_t size) {
  store_be16(frame + f.l4_checksum_offset,
             static_cast<uint16_t>(~ip::fold(pseudo_header_sum(f, frame, size))));
}

// One piece of a TCP packet that is cut into packets of segment_size payload bytes.
struct Piece {
  uint32_t index = 0;
  uint32_t offset = 0;  // into the payload
  uint32_t size = 0;    // payload bytes
  bool last = false;
};

// Turns a copy of the whole packet's headers into the headers of one piece: lengths, the IPv4
// identification, the sequence number, and the flags that belong to the first piece (CWR, RFC 3168,
// 6.1.2) or to the last (FIN, PSH).
inline void cut_headers(const ip::OutFrame& f, uint8_t* headers, const Piece& piece) {
  uint8_t* ip = headers + f.l2_size;
  uint8_t* tcp = ip + f.l3_size;
  const auto transport = static_cast<uint16_t>(f.headers.size() - f.l2_size - f.l3_size);
  if (f.v4) {
    store_be16(ip + 2, static_cast<uint16_t>(f.l3_size + transport + piece.size));
    store_be16(ip + 4, static_cast<uint16_t>(load_be16(ip + 4) + piece.index));
  } else {
    store_be16(ip + 4, static_cast<uint16_t>(f.l3_size - 40 + transport + piece.size));
  }
  store_be32(tcp + 4, load_be32(tcp + 4) + piece.offset);
  constexpr uint8_t kFin = 0x01;
  constexpr uint8_t kPsh = 0x08;
  constexpr uint8_t kCwr = 0x80;
  if (!piece.last) tcp[13] &= static_cast<uint8_t>(~(kFin | kPsh));
  if (piece.index != 0) tcp[13] &= static_cast<uint8_t>(~kCwr);
}

// Reads the payload of a frame from front to back across its views.
class PayloadReader {
 public:
  explicit PayloadReader(std::span<const buf::Fragment> pieces) : pieces_(pieces) {}

  // Copies the next n bytes; the payload must have as many.
  void copy(uint8_t* to, uint32_t n) {
    while (n > 0) {
      const buf::Fragment piece = take(n);
      std::memcpy(to, piece.data(), piece.size());
      to += piece.size();
      n -= static_cast<uint32_t>(piece.size());
    }
  }

  // The next contiguous bytes, at most n.
  buf::Fragment take(uint32_t n) {
    const buf::Fragment& whole = pieces_[index_];
    const buf::View rest = whole.subspan(offset_);
    const auto size = std::min<size_t>(n, rest.size());
    offset_ += size;
    if (size == rest.size()) {
      ++index_;
      offset_ = 0;
    }
    return {rest.first(size), whole.owner};
  }

 private:
  std::span<const buf::Fragment> pieces_;
  size_t index_ = 0;
  size_t offset_ = 0;
};

}  // namespace sluice::nic
