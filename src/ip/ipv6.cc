#include "ip/ipv6.h"

#include <algorithm>

#include "base/byte_order.h"

namespace sluice::ip {

namespace {

enum Header : uint8_t { kHopByHop = 0, kRouting = 43, kFragment = 44, kDestinationOptions = 60 };

constexpr uint16_t kMoreFragments = 0x2000;  // of IPv4's flags

// Each header may be in a packet once, destination options twice (RFC 8200, 4.1).
constexpr unsigned kMaxHeaders = 5;

// RFC 8200, 4.2: the two high bits of an unknown option say whether it may be skipped.
bool may_ignore_all(buf::View options) {
  constexpr uint8_t kPad1 = 0;
  for (size_t i = 0; i < options.size();) {
    if (options[i] == kPad1) {
      ++i;
      continue;
    }
    if (i + 2 > options.size() || options[i] >> 6 != 0) return false;
    i += 2u + options[i + 1];
    if (i > options.size()) return false;
  }
  return true;
}

}  // namespace

Ipv6::Error Ipv6::parse(buf::View b, uint32_t size, Ipv6& out) {
  if (b.size() < kIpv6Size) return Error::kShort;
  const uint8_t* p = b.data();
  if (p[0] >> 4 != 6) return Error::kVersion;
  out.tos = static_cast<uint8_t>(load_be16(p) >> 4);
  out.total_size = kIpv6Size + load_be16(p + 4);
  if (out.total_size > size) return Error::kTotalLength;
  out.protocol = p[6];
  out.hop_limit = p[7];
  std::memcpy(out.source.bytes.data(), p + 8, 16);
  std::memcpy(out.destination.bytes.data(), p + 24, 16);
  out.fragmentation = kDontFragment;
  out.identification = 0;

  const auto end = std::min<uint32_t>(out.total_size, static_cast<uint32_t>(b.size()));
  uint32_t at = kIpv6Size;
  for (unsigned n = 0;; ++n) {
    const uint8_t kind = out.protocol;
    if (kind != kHopByHop && kind != kRouting && kind != kFragment && kind != kDestinationOptions)
      break;
    if (n == kMaxHeaders || (kind == kHopByHop && n > 0)) return Error::kOption;
    if (at + 8 > end) return Error::kHeaderLength;
    const uint8_t* h = p + at;
    const uint32_t length = kind == kFragment ? 8 : (h[1] + 1u) * 8;
    if (at + length > end) return Error::kHeaderLength;
    if (kind == kFragment) {
      out.fragmentation = fragmentation_of(h);
      out.identification = load_be32(h + 4);
    } else if (kind == kRouting) {
      if (h[3] != 0) return Error::kOption;  // segments left
    } else if (!may_ignore_all(b.subspan(at + 2, length - 2))) {
      return Error::kOption;
    }
    out.protocol = h[0];
    at += length;
    if (out.fragment()) break;  // the data of a fragment need not begin with a header
  }
  out.header_size = static_cast<uint16_t>(at);
  return Error::kNone;
}

uint16_t fragmentation_of(const uint8_t* header) {
  const uint16_t offset = load_be16(header + 2);  // in bytes; the lowest bit says "more"
  return static_cast<uint16_t>(kDontFragment | offset >> 3 |
                               ((offset & 1) != 0 ? kMoreFragments : 0));
}

void emit_fragment(uint8_t* header, uint8_t protocol, uint16_t fragmentation,
                   uint32_t identification) {
  header[0] = protocol;
  header[1] = 0;
  store_be16(header + 2, static_cast<uint16_t>((fragmentation & 0x1fff) << 3 |
                                               ((fragmentation & kMoreFragments) != 0 ? 1 : 0)));
  store_be32(header + 4, identification);
}

void emit_ipv6(uint8_t* p, const OutPacket& packet) {
  uint32_t ports = 0;
  if (packet.protocol == Protocol::kTcp || packet.protocol == Protocol::kUdp) {
    std::memcpy(&ports, packet.header.data(), sizeof ports);
  } else if (packet.protocol == Protocol::kIpv4) {
    // Of a packet within this one: its source (RFC 6438).
    std::memcpy(&ports, packet.header.data() + 12, sizeof ports);
  } else if (packet.protocol == Protocol::kIpv6) {
    std::memcpy(&ports, packet.header.data() + 20, sizeof ports);
  }
  const uint32_t label = flow_label(hash_of(packet.source), hash_of(packet.destination), ports);
  store_be32(p, uint32_t{6} << 28 | uint32_t{packet.tos} << 20 | label);
  // The length is meaningless for a packet that is still to be cut: the code that cuts the packet
  // writes it.
  store_be16(p + 4, static_cast<uint16_t>(packet.header.size() + packet.payload_size));
  p[6] = static_cast<uint8_t>(packet.protocol);
  p[7] = packet.ttl;
  std::memcpy(p + 8, packet.source.bytes.data(), 16);
  std::memcpy(p + 24, packet.destination.bytes.data(), 16);
}

}  // namespace sluice::ip
