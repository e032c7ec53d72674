#include "l4/icmp_error.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/byte_order.h"
#include "ip/checksum.h"
#include "ip/icmp.h"
#include "ip/ipv4.h"
#include "ip/ipv6.h"

namespace sluice::l4 {

namespace {

namespace icmp = ip::icmp;
namespace icmp6 = ip::icmp6;

// A packet is longer by so much in IPv6.
constexpr uint32_t kLonger = ip::kIpv6Size - ip::kIpv4Size;

// Codes of "unreachable" (RFC 1812, 5.2.7.1; RFC 4443, 3.1).
constexpr uint8_t kProtocol = 2, kPort = 3, kNetProhibited = 9;
constexpr uint8_t kHostProhibited = 10, kProhibited = 13, kPrecedenceCutoff = 15, kHost = 1;
constexpr uint8_t kHostPrecedence = 14;
constexpr uint8_t kNoRoute6 = 0, kProhibited6 = 1, kAddress6 = 3, kPort6 = 4;
// Codes of "parameter problem" (RFC 792; RFC 1122, 3.2.2.5; RFC 4443, 3.4).
constexpr uint8_t kField = 0, kBadLength = 2;
constexpr uint8_t kField6 = 0, kNextHeader6 = 1;
constexpr uint32_t kNextHeaderAt = 6;  // in the header of IPv6

constexpr size_t kLongestQuote = ip::kIpv6Size + ip::kFragmentSize + kQuoted;

// The offset in a header of IPv6 for one of IPv4 (RFC 7915, 4.2, figure 3).
std::optional<uint32_t> pointer_to_ipv6(uint32_t p) {
  constexpr uint8_t kNone = 0xff;
  constexpr std::array<uint8_t, ip::kIpv4Size> kTo{
      0, 1, 4, 4, kNone, kNone, kNone, kNone, 7, 6, kNone, kNone, 8, 8, 8, 8, 24, 24, 24, 24};
  if (p >= kTo.size() || kTo[p] == kNone) return std::nullopt;
  return kTo[p];
}

// And back (5.2, figure 6).
std::optional<uint32_t> pointer_to_ipv4(uint32_t p) {
  if (p < 2) return p;
  if (p == 4 || p == 5) return 2;
  if (p == 6) return 9;
  if (p == 7) return 8;
  if (p >= 8 && p < 24) return 12;
  if (p >= 24 && p < ip::kIpv6Size) return 16;
  return std::nullopt;
}

// The second word without the length of the original datagram (RFC 4884, 4), behind which a
// receiver would look for extensions: the quote that leaves has none.
uint32_t without_length(const ErrorType& e, bool v4) {
  if (v4) {
    if (e.type == icmp::kParameterProblem) return e.rest & 0xff000000;
    return e.type == icmp::kUnreachable && e.code == icmp::kFragmentationNeeded ? e.rest & 0xffff
                                                                                : 0;
  }
  return e.type == icmp6::kPacketTooBig || e.type == icmp6::kParameterProblem ? e.rest : 0;
}

// The IP header of a quoted packet, and the first bytes of its transport.
size_t write_quote(const Quote& q, uint8_t* to) {
  const bool v4 = q.ends.source.address.is_v4();
  const size_t size = std::min(q.transport.size(), kQuoted);
  ip::OutPacket packet;
  packet.source = q.ends.source.address;
  packet.destination = q.ends.destination.address;
  packet.protocol = static_cast<ip::Protocol>(q.protocol);
  packet.tos = q.tos;
  packet.ttl = q.ttl;
  packet.fragmentation = q.fragmentation;
  packet.identification = static_cast<uint16_t>(q.identification);
  packet.header = q.transport.first(size);
  packet.payload_size = q.size - static_cast<uint32_t>(size);
  size_t ip_size = v4 ? ip::kIpv4Size : ip::kIpv6Size;
  if (v4) {
    ip::emit_ipv4(to, packet, static_cast<uint16_t>(ip_size + q.size));
    store_be16(to + 10, ip::checksum({to, ip_size}));
  } else {
    const bool fragment = (q.fragmentation & 0x3fff) != 0;
    if (fragment) {
      ip::emit_fragment(to + ip_size, q.protocol, q.fragmentation, q.identification);
      packet.protocol = ip::Protocol::kFragment;
      packet.payload_size += ip::kFragmentSize;
    }
    ip::emit_ipv6(to, packet);
    if (fragment) ip_size += ip::kFragmentSize;
  }
  std::memcpy(to + ip_size, q.transport.data(), size);
  return ip_size + size;
}

}  // namespace

std::optional<ErrorType> to_ipv6(const ErrorType& e) {
  if (e.type == icmp::kTimeExceeded) return ErrorType{icmp6::kTimeExceeded, e.code, 0};
  if (e.type == icmp::kParameterProblem) {
    const auto at = pointer_to_ipv6(e.rest >> 24);
    if (!at || (e.code != kField && e.code != kBadLength)) return std::nullopt;
    return ErrorType{icmp6::kParameterProblem, kField6, *at};
  }
  if (e.type != icmp::kUnreachable || e.code > kPrecedenceCutoff) return std::nullopt;
  switch (e.code) {
    case kHostPrecedence:
      return std::nullopt;
    case kProtocol:
      return ErrorType{icmp6::kParameterProblem, kNextHeader6, kNextHeaderAt};
    case kPort:
      return ErrorType{icmp6::kUnreachable, kPort6, 0};
    case icmp::kFragmentationNeeded:
      return ErrorType{icmp6::kPacketTooBig, 0, std::max(e.rest + kLonger, ip::kIpv6MinMtu)};
    case kNetProhibited:
    case kHostProhibited:
    case kProhibited:
    case kPrecedenceCutoff:
      return ErrorType{icmp6::kUnreachable, kProhibited6, 0};
    default:
      return ErrorType{icmp6::kUnreachable, kNoRoute6, 0};
  }
}

std::optional<ErrorType> to_ipv4(const ErrorType& e) {
  switch (e.type) {
    case icmp6::kUnreachable:
      if (e.code == kPort6) return ErrorType{icmp::kUnreachable, kPort, 0};
      if (e.code == kProhibited6) return ErrorType{icmp::kUnreachable, kHostProhibited, 0};
      if (e.code > kAddress6) return std::nullopt;
      return ErrorType{icmp::kUnreachable, kHost, 0};
    case icmp6::kPacketTooBig:
      return packet_too_big(true, e.rest - kLonger);
    case icmp6::kTimeExceeded:
      return ErrorType{icmp::kTimeExceeded, e.code, 0};
    case icmp6::kParameterProblem: {
      if (e.code == kNextHeader6) return ErrorType{icmp::kUnreachable, kProtocol, 0};
      const auto at = pointer_to_ipv4(e.rest);
      if (!at || e.code != kField6) return std::nullopt;
      return ErrorType{icmp::kParameterProblem, kField, *at << 24};
    }
    default:
      return std::nullopt;
  }
}

ErrorType packet_too_big(bool v4, uint32_t mtu) {
  if (v4) return {icmp::kUnreachable, icmp::kFragmentationNeeded, mtu};
  return {icmp6::kPacketTooBig, 0, mtu};
}

ErrorType time_exceeded(bool v4) {
  return {v4 ? icmp::kTimeExceeded : icmp6::kTimeExceeded, 0, 0};
}

Quote quote_of(const ip::IcmpError& error) {
  const buf::View packet = error.message.view().subspan(icmp::kHeaderSize);
  const uint8_t* p = packet.data();
  const ip::QuotedPacket& from = error.quoted;
  const bool v4 = from.source.is_v4();
  Quote q;
  q.ends = {{from.source, from.ports->source}, {from.destination, from.ports->destination}};
  q.protocol = from.protocol;
  if (v4) {
    const uint32_t header = (p[0] & 15u) * 4;
    q.tos = p[1];
    q.size = load_be16(p + 2);
    q.size -= std::min(q.size, header);
    q.identification = load_be16(p + 4);
    q.fragmentation = load_be16(p + 6);
    q.ttl = p[8];
    q.transport = packet.subspan(header);
  } else {
    q.tos = static_cast<uint8_t>(load_be16(p) >> 4);
    q.size = load_be16(p + 4);
    q.ttl = p[7];
    uint32_t header = ip::kIpv6Size;
    if (p[6] == static_cast<uint8_t>(ip::Protocol::kFragment)) {
      q.fragmentation = ip::fragmentation_of(p + header);
      q.identification = load_be32(p + header + 4);
      header += ip::kFragmentSize;
      q.size -= std::min(q.size, ip::kFragmentSize);
    }
    q.transport = packet.subspan(header);
  }
  // Routers may leave padding behind the packet, or say nonsense about its length.
  q.size = std::max<uint32_t>(q.size, 8);
  if (q.transport.size() > q.size) q.transport = q.transport.first(q.size);
  return q;
}

bool send_error(const ErrorType& type, const Address& from, const Quote& quote, ip::Host& host,
                Time now) {
  const Address& to = quote.ends.source.address;
  std::array<uint8_t, kLongestQuote> bytes;
  const size_t size = write_quote(quote, bytes.data());
  const buf::Fragment payload(buf::View(bytes.data(), size));
  std::array<uint8_t, icmp::kHeaderSize> header{type.type, type.code};
  store_be32(header.data() + 4, type.rest);
  ip::OutPacket out;
  out.source = from;
  out.destination = to;
  out.header = header;
  out.payload = {&payload, 1};
  out.payload_size = static_cast<uint32_t>(size);
  if (to.is_v4()) {
    out.protocol = ip::Protocol::kIcmp;
    store_be16(header.data() + 2, ip::fold(ip::sum_words(payload, ip::sum_words(header))));
  } else {
    out.protocol = ip::Protocol::kIcmp6;
    out.checksum_offset = 2;
  }
  return host.send(out, now) == ip::Sent::kYes;
}

bool translate_error(const ip::IcmpError& error, const Addresses& ends, uint32_t least_mtu,
                     ip::Host& host, Time now) {
  const uint8_t* message = error.message.data();
  std::optional<ErrorType> type = ErrorType{message[0], message[1], load_be32(message + 4)};
  const bool from_v4 = error.quoted.source.is_v4();
  type->rest = without_length(*type, from_v4);
  const bool to_v4 = ends.source.address.is_v4();
  const bool too_big = error.kind == ip::IcmpError::Kind::kPacketTooBig;
  if (too_big && least_mtu > 0) type = packet_too_big(from_v4, std::max(error.mtu, least_mtu));
  if (from_v4 != to_v4) {
    if (too_big) type->rest = std::max(error.mtu, least_mtu);
    type = from_v4 ? to_ipv6(*type) : to_ipv4(*type);
    if (!type) return false;
  }
  Quote quote = quote_of(error);
  std::array<uint8_t, kQuoted> transport{};
  const size_t size = std::min(quote.transport.size(), kQuoted);
  std::memcpy(transport.data(), quote.transport.data(), size);
  if (size >= checksum_offset(quote.protocol) + 2u) {
    rewrite(transport.data(), quote.protocol, quote.ends, ends);
  } else {
    store_be16(transport.data(), ends.source.port);
    store_be16(transport.data() + 2, ends.destination.port);
  }
  quote.ends = ends;
  quote.transport = {transport.data(), size};
  return send_error(*type, ends.destination.address, quote, host, now);
}

bool pass_on_error(const ip::IcmpError& error, config::Forward mode, const Address& pod,
                   ip::Host& host, Time now) {
  const buf::View message = error.message.view();
  const buf::Fragment rest(message.subspan(icmp::kHeaderSize), error.message.mbuf());
  // IP has verified the checksum, of a message of several buffers, too, of which this is the first.
  std::array<uint8_t, icmp::kHeaderSize> header;
  std::copy_n(message.begin(), header.size(), header.begin());
  store_be16(header.data() + 2, 0);
  if (error.source.is_v4())
    store_be16(header.data() + 2, ip::fold(ip::sum_words(rest, ip::sum_words(header))));
  ip::OutPacket out;
  out.source = error.source;
  out.destination = error.destination;
  out.protocol = error.source.is_v4() ? ip::Protocol::kIcmp : ip::Protocol::kIcmp6;
  out.header = header;
  out.payload = {&rest, 1};
  out.payload_size = static_cast<uint32_t>(rest.size());
  out.checksum_offset = 2;
  out.checksum_filled = error.source.is_v4();
  const Way way{{{error.source, 0}, {error.destination, 0}}, mode, pod};
  if (message.size() > longest_segment(way, host)) return false;
  return send_on(way, out, host, now) == ip::Sent::kYes;
}

}  // namespace sluice::l4
