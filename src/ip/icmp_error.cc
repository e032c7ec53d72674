#include "ip/icmp_error.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "base/byte_order.h"
#include "ip/icmp.h"
#include "ip/ipv4.h"
#include "ip/ipv6.h"

namespace sluice::ip {

namespace {

std::optional<IcmpError::Kind> kind_of(uint8_t type, uint8_t code) {
  switch (type) {
    case icmp::kUnreachable:
      return code == icmp::kFragmentationNeeded ? IcmpError::Kind::kPacketTooBig
                                                : IcmpError::Kind::kUnreachable;
    case icmp::kTimeExceeded:
      return IcmpError::Kind::kTimeExceeded;
    case icmp::kParameterProblem:
      return IcmpError::Kind::kParameterProblem;
    default:
      return std::nullopt;
  }
}

std::optional<IcmpError::Kind> kind_of6(uint8_t type) {
  switch (type) {
    case icmp6::kUnreachable:
      return IcmpError::Kind::kUnreachable;
    case icmp6::kPacketTooBig:
      return IcmpError::Kind::kPacketTooBig;
    case icmp6::kTimeExceeded:
      return IcmpError::Kind::kTimeExceeded;
    case icmp6::kParameterProblem:
      return IcmpError::Kind::kParameterProblem;
    default:
      return std::nullopt;
  }
}

// value: the message's second word.
uint32_t mtu_of(uint32_t value, bool v4) {
  // The size that every host takes (RFC 791, 3.1), for routers from before RFC 1191, which name no
  // MTU.
  constexpr uint32_t kAnyMtu = 576;
  // RFC 8201, 4: no router may ask for less than every link takes.
  if (!v4) return std::clamp<uint32_t>(value, kIpv6MinMtu, 0xffff);
  const uint32_t told = value & 0xffff;
  return told == 0 ? kAnyMtu : std::max(told, kIpv4Size);
}

}  // namespace

std::optional<QuotedPacket> parse_quoted(buf::View quote, bool v4) {
  constexpr uint16_t kOffsetMask = 0x1fff;
  const uint8_t* p = quote.data();
  if (quote.empty() || p[0] >> 4 != (v4 ? 4 : 6)) return std::nullopt;
  const uint32_t least = v4 ? kIpv4Size : kIpv6Size;
  uint32_t header = v4 ? (p[0] & 15u) * 4 : kIpv6Size;
  if (header < least || quote.size() < header) return std::nullopt;
  QuotedPacket q;
  if (v4) {
    q.source = Address::v4(p + 12);
    q.destination = Address::v4(p + 16);
    q.protocol = p[9];
    // Its transport header was in another fragment.
    if ((load_be16(p + 6) & kOffsetMask) != 0) return q;
  } else {
    std::memcpy(q.source.bytes.data(), p + 8, 16);
    std::memcpy(q.destination.bytes.data(), p + 24, 16);
    // The address would be taken for the IPv4 host of that number.
    if (q.source.is_v4() || q.destination.is_v4()) return std::nullopt;
    q.protocol = p[6];
    if (q.protocol == static_cast<uint8_t>(Protocol::kFragment)) {
      if (quote.size() < header + kFragmentSize) return q;
      const uint8_t* fragment = p + header;
      q.protocol = fragment[0];
      if ((fragmentation_of(fragment) & kOffsetMask) != 0) return q;
      header += kFragmentSize;
    }
  }
  const buf::View transport = quote.subspan(header);
  q.ports = parse_ports(q.protocol, transport);
  if (q.protocol == static_cast<uint8_t>(Protocol::kTcp) && transport.size() >= 8)
    q.tcp_seq = load_be32(transport.data() + 4);
  return q;
}

std::optional<IcmpError> parse_icmp_error(const Address& source, const Address& destination,
                                          buf::Slice message) {
  assert(message.size() >= icmp::kHeaderSize);
  const uint8_t* p = message.data();
  const bool v4 = source.is_v4();
  const auto kind = v4 ? kind_of(p[0], p[1]) : kind_of6(p[0]);
  if (!kind) return std::nullopt;
  auto quoted = parse_quoted(message.view().subspan(icmp::kHeaderSize), v4);
  if (!quoted) return std::nullopt;
  IcmpError e;
  e.kind = *kind;
  e.source = source;
  e.destination = destination;
  if (e.kind == IcmpError::Kind::kPacketTooBig) e.mtu = mtu_of(load_be32(p + 4), v4);
  e.quoted = *quoted;
  e.message = std::move(message);
  return e;
}

}  // namespace sluice::ip
