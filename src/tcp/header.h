#pragma once
// The TCP header and its options: parse and emit (RFC 9293, 3.1; RFC 7323; RFC 2018).

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "buf/slice.h"

namespace sluice::tcp {

inline constexpr size_t kMinHeader = 20;
inline constexpr size_t kMaxHeader = 60;
inline constexpr size_t kChecksumOffset = 16;
inline constexpr uint8_t kMaxWindowScale = 14;  // RFC 7323, 2.3
inline constexpr size_t kTimestampsSpace = 12;  // with two NOPs
inline constexpr uint16_t kDefaultMss = 536;    // RFC 9293, 3.7.1: when the SYN has no MSS option

enum Flag : uint8_t {
  kFin = 0x01,
  kSyn = 0x02,
  kRst = 0x04,
  kPsh = 0x08,
  kAck = 0x10,
  kUrg = 0x20,
  kEce = 0x40,
  kCwr = 0x80,
};

struct SackBlock {
  uint32_t begin = 0;
  uint32_t end = 0;  // first sequence number behind the block
  bool operator==(const SackBlock&) const = default;
};
inline constexpr size_t kMaxSackBlocks = 4;

struct Options {
  uint16_t mss = 0;              // 0: absent
  std::optional<uint8_t> scale;  // as received, not yet limited to 14
  bool sack_permitted = false;
  bool timestamps = false;
  uint32_t ts_value = 0;
  uint32_t ts_echo = 0;
  uint8_t sack_count = 0;
  std::array<SackBlock, kMaxSackBlocks> sacks{};
};

struct Header {
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint32_t seq = 0;
  uint32_t ack = 0;
  uint8_t flags = 0;
  uint16_t window = 0;  // unscaled
  Options options;

  bool has(Flag f) const { return (flags & f) != 0; }
};

struct Parsed {
  Header header;
  uint32_t size = 0;  // header bytes, options included
};

// nullopt when the fixed header is truncated or its data offset impossible. An option with a bad
// length ends the parsing of options; options before it stay valid (RFC 9293, MUST-7: no crash). An
// option that makes no sense in this kind of segment (MSS without SYN) is ignored.
std::optional<Parsed> parse(buf::View segment);

// Writes header and options, with checksum zero. Returns the size, a multiple of four. SACK blocks
// that do not fit are left out.
size_t emit(const Header& header, std::span<uint8_t, kMaxHeader> out);

}  // namespace sluice::tcp
