#pragma once
// Frames to send, written as a transport and IP would hand them down, and a reader of what came out
// that shares no code with the room under test.

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/byte_order.h"
#include "ip/output.h"

namespace sluice::nic {

inline constexpr uint8_t kFin = 0x01;
inline constexpr uint8_t kPsh = 0x08;
inline constexpr uint8_t kAck = 0x10;
inline constexpr uint8_t kCwr = 0x80;

// Bytes that repeat late enough for a shift to be seen.
inline std::string pattern(size_t n) {
  std::string s(n, '\0');
  for (size_t i = 0; i < n; ++i) s[i] = static_cast<char>(i * 31 + i / 251);
  return s;
}

// An Ethernet frame 198.18.0.10 -> 198.18.0.1 or 2001:db8::a -> 2001:db8::1 and what it borrows.
class TestFrame {
 public:
  static TestFrame tcp(std::vector<std::string> pieces, bool v4 = true) {
    TestFrame f(std::move(pieces), v4, 6, 20);
    uint8_t* tcp = f.l4();
    store_be16(tcp, 50051);
    store_be16(tcp + 2, 40000);
    store_be32(tcp + 4, 1000);
    store_be32(tcp + 8, 77);
    tcp[12] = 0x50;
    tcp[13] = kAck | kPsh | kFin | kCwr;
    store_be16(tcp + 14, 512);
    f.frame_.l4_checksum_offset = static_cast<uint16_t>(f.l4_offset() + 16);
    return f;
  }
  static TestFrame udp(std::vector<std::string> pieces, bool v4 = true) {
    TestFrame f(std::move(pieces), v4, 17, 8);
    store_be16(f.l4(), 53);
    store_be16(f.l4() + 2, 53);
    store_be16(f.l4() + 4, static_cast<uint16_t>(8 + f.payload_.size()));
    f.frame_.l4_checksum_offset = static_cast<uint16_t>(f.l4_offset() + 6);
    return f;
  }
  static TestFrame icmp(std::vector<std::string> pieces, bool v4 = true) {
    TestFrame f(std::move(pieces), v4, v4 ? 1 : 58, 8);
    f.l4()[0] = v4 ? 0 : 129;
    f.frame_.l4_checksum_offset = static_cast<uint16_t>(f.l4_offset() + 2);
    return f;
  }

  TestFrame& in_segments_of(uint16_t n) {
    frame_.segment_size = n;
    return *this;
  }

  const ip::OutFrame& out() {
    views_.clear();
    for (const std::string& p : pieces_)
      views_.emplace_back(buf::View(reinterpret_cast<const uint8_t*>(p.data()), p.size()));
    frame_.headers = headers_;
    frame_.payload = views_;
    frame_.payload_size = static_cast<uint32_t>(payload_.size());
    return frame_;
  }
  // All of it as one piece, checksums unfilled.
  std::vector<uint8_t> flat() const {
    std::vector<uint8_t> all = headers_;
    all.insert(all.end(), payload_.begin(), payload_.end());
    return all;
  }
  const std::string& payload() const { return payload_; }
  uint8_t* l4() { return headers_.data() + l4_offset(); }
  uint8_t* ip() { return headers_.data() + 14; }

 private:
  TestFrame(std::vector<std::string> pieces, bool v4, uint8_t protocol, size_t l4_size)
      : pieces_(std::move(pieces)) {
    for (const std::string& p : pieces_) payload_ += p;
    frame_.v4 = v4;
    frame_.l2_size = 14;
    frame_.l3_size = v4 ? 20 : 40;
    headers_.assign(14 + frame_.l3_size + l4_size, 0);
    std::memcpy(headers_.data(), "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
    store_be16(headers_.data() + 12, v4 ? 0x0800 : 0x86dd);
    uint8_t* h = ip();
    const auto transport = static_cast<uint16_t>(l4_size + payload_.size());
    if (v4) {
      h[0] = 0x45;
      store_be16(h + 2, static_cast<uint16_t>(20 + transport));
      store_be16(h + 4, 0xffff);
      h[8] = 64;
      h[9] = protocol;
      std::memcpy(h + 12, "\xc6\x12\0\x0a\xc6\x12\0\x01", 8);
    } else {
      h[0] = 0x60;
      store_be16(h + 4, transport);
      h[6] = protocol;
      h[7] = 64;
      std::memcpy(h + 8, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x0a", 16);
      std::memcpy(h + 24, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
    }
  }
  size_t l4_offset() const { return 14u + frame_.l3_size; }

  std::vector<std::string> pieces_;
  std::string payload_;
  std::vector<uint8_t> headers_;
  std::vector<buf::Fragment> views_;
  ip::OutFrame frame_;
};

// RFC 1071, word by word.
inline uint16_t naive_sum(const std::vector<uint8_t>& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<uint32_t>(bytes[i] << 8 | (i + 1 < bytes.size() ? bytes[i + 1] : 0));
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<uint16_t>(sum);
}

inline bool ipv4_checksum_right(const std::vector<uint8_t>& frame) {
  return naive_sum({frame.begin() + 14, frame.begin() + 34}) == 0xffff;
}

// Of TCP, UDP, ICMP and ICMPv6.
inline bool l4_checksum_right(const std::vector<uint8_t>& frame) {
  const bool v4 = frame[12] == 0x08;
  const size_t l4 = v4 ? 34 : 54;
  const uint8_t protocol = frame[v4 ? 23 : 20];
  std::vector<uint8_t> covered;
  if (!(v4 && protocol == 1)) {
    covered.assign(frame.begin() + (v4 ? 26 : 22), frame.begin() + static_cast<long>(l4));
    const size_t size = frame.size() - l4;
    for (const size_t byte : {size_t{0}, size_t{protocol}, size >> 8, size & 0xff})
      covered.push_back(static_cast<uint8_t>(byte));
  }
  covered.insert(covered.end(), frame.begin() + static_cast<long>(l4), frame.end());
  return naive_sum(covered) == 0xffff;
}

}  // namespace sluice::nic
