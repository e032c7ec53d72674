#include "tcp/header.h"

#include <algorithm>
#include <cassert>

#include "base/byte_order.h"

namespace sluice::tcp {

namespace {

enum Kind : uint8_t {
  kEnd = 0,
  kNop = 1,
  kMss = 2,
  kScale = 3,
  kSackPermitted = 4,
  kSack = 5,
  kTimestamps = 8,
};

void parse_option(uint8_t kind, buf::View body, bool syn, Options& o) {
  switch (kind) {
    case kMss:
      if (syn && body.size() == 2) o.mss = load_be16(body.data());
      break;
    case kScale:
      if (syn && body.size() == 1) o.scale = body[0];
      break;
    case kSackPermitted:
      if (syn && body.empty()) o.sack_permitted = true;
      break;
    case kSack:
      if (syn || body.empty() || body.size() % 8 != 0) break;
      o.sack_count = static_cast<uint8_t>(std::min(body.size() / 8, kMaxSackBlocks));
      for (size_t i = 0; i < o.sack_count; ++i)
        o.sacks[i] = {load_be32(&body[8 * i]), load_be32(&body[8 * i + 4])};
      break;
    case kTimestamps:
      if (body.size() != 8) break;
      o.timestamps = true;
      o.ts_value = load_be32(body.data());
      o.ts_echo = load_be32(body.data() + 4);
      break;
    default:
      break;
  }
}

void parse_options(buf::View bytes, bool syn, Options& o) {
  size_t i = 0;
  while (i < bytes.size()) {
    const uint8_t kind = bytes[i];
    if (kind == kEnd) return;
    if (kind == kNop) {
      ++i;
      continue;
    }
    if (i + 2 > bytes.size()) return;
    const size_t length = bytes[i + 1];
    if (length < 2 || i + length > bytes.size()) return;
    parse_option(kind, bytes.subspan(i + 2, length - 2), syn, o);
    i += length;
  }
}

}  // namespace

std::optional<Parsed> parse(buf::View segment) {
  if (segment.size() < kMinHeader) return std::nullopt;
  const uint8_t* p = segment.data();
  const uint32_t size = (p[12] >> 4) * 4u;
  if (size < kMinHeader || size > segment.size()) return std::nullopt;
  Parsed r;
  r.size = size;
  Header& h = r.header;
  h.source_port = load_be16(p);
  h.destination_port = load_be16(p + 2);
  h.seq = load_be32(p + 4);
  h.ack = load_be32(p + 8);
  h.flags = p[13];
  h.window = load_be16(p + 14);
  // Bulk data carries exactly NOP NOP timestamps: worth a fast path.
  if (size == kMinHeader + kTimestampsSpace && load_be32(p + 20) == 0x0101080a) {
    h.options.timestamps = true;
    h.options.ts_value = load_be32(p + 24);
    h.options.ts_echo = load_be32(p + 28);
  } else if (size > kMinHeader) {
    parse_options(segment.subspan(kMinHeader, size - kMinHeader), h.has(kSyn), h.options);
  }
  return r;
}

size_t emit(const Header& h, std::span<uint8_t, kMaxHeader> out) {
  assert(h.options.sack_count <= kMaxSackBlocks);
  uint8_t* p = out.data();
  store_be16(p, h.source_port);
  store_be16(p + 2, h.destination_port);
  store_be32(p + 4, h.seq);
  store_be32(p + 8, h.ack);
  p[13] = h.flags;
  store_be16(p + 14, h.window);
  store_be32(p + 16, 0);  // checksum, urgent pointer

  const Options& o = h.options;
  uint8_t* q = p + kMinHeader;
  if (o.mss != 0) {
    store_be32(q, uint32_t{kMss} << 24 | 4u << 16 | o.mss);
    q += 4;
  }
  if (o.scale) {
    store_be32(q, uint32_t{kNop} << 24 | uint32_t{kScale} << 16 | 3u << 8 | *o.scale);
    q += 4;
  }
  if (o.sack_permitted) {
    store_be32(q, uint32_t{kNop} << 24 | uint32_t{kNop} << 16 | uint32_t{kSackPermitted} << 8 | 2);
    q += 4;
  }
  if (o.timestamps) {
    store_be32(q, 0x0101080a);
    store_be32(q + 4, o.ts_value);
    store_be32(q + 8, o.ts_echo);
    q += kTimestampsSpace;
  }
  const size_t room = (kMaxHeader - static_cast<size_t>(q - p) - 4) / 8;
  const size_t blocks = std::min<size_t>(o.sack_count, room);
  if (blocks > 0) {
    store_be32(q, uint32_t{kNop} << 24 | uint32_t{kNop} << 16 | uint32_t{kSack} << 8 |
                      static_cast<uint32_t>(2 + 8 * blocks));
    q += 4;
    for (size_t i = 0; i < blocks; ++i) {
      store_be32(q, o.sacks[i].begin);
      store_be32(q + 4, o.sacks[i].end);
      q += 8;
    }
  }
  const auto size = static_cast<size_t>(q - p);
  p[12] = static_cast<uint8_t>(size / 4 << 4);
  return size;
}

}  // namespace sluice::tcp
