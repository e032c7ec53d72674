#include "l4/way.h"

#include <array>
#include <cassert>
#include <cstring>
#include <vector>

#include "base/byte_order.h"
#include "ip/checksum.h"
#include "ip/ipv4.h"
#include "ip/ipv6.h"

namespace sluice::l4 {

namespace {

using config::Forward;

uint32_t ip_size(const Address& a) {
  return a.is_v4() ? ip::kIpv4Size : ip::kIpv6Size;
}

uint16_t transport_checksum(const ip::OutPacket& p) {
  const auto header = static_cast<uint32_t>(p.header.size());
  uint64_t sum = ip::sum_pseudo_header(p.source, p.destination, static_cast<uint8_t>(p.protocol),
                                       header + p.payload_size);
  sum = ip::sum_words(p.header, sum);  // of even length
  bool odd = false;
  for (const buf::View& piece : p.payload) {
    const auto part = static_cast<uint16_t>(~ip::fold(ip::sum_words(piece)));
    sum += odd ? swap16(part) : part;
    odd ^= piece.size() % 2 != 0;
  }
  const uint16_t filled = ip::fold(sum);
  return p.protocol == ip::Protocol::kUdp && filled == 0 ? 0xffff : filled;
}

// The outer header has the inner one's DSCP and ECN (RFC 2983, the uniform model; RFC 6040, the
// normal mode). It always forbids fragments, since longer packets are told to their senders.
ip::Sent encapsulate(const Address& pod, const ip::OutPacket& packet, ip::Host& host, Time now) {
  assert(packet.segment_size == 0);
  const Address* own = host.source_for(pod);
  if (own == nullptr) return ip::Sent::kNoRoute;
  std::array<uint8_t, ip::kMaxTransportHeader> transport;
  std::memcpy(transport.data(), packet.header.data(), packet.header.size());
  if (!packet.checksum_filled)
    store_be16(transport.data() + packet.checksum_offset, transport_checksum(packet));
  const auto transport_size = static_cast<uint32_t>(packet.header.size());
  const bool v4 = packet.destination.is_v4();
  const uint32_t inner_size = ip_size(packet.destination);
  std::array<uint8_t, ip::kIpv6Size> inner;
  if (v4) {
    ip::emit_ipv4(inner.data(), packet,
                  static_cast<uint16_t>(inner_size + transport_size + packet.payload_size));
    store_be16(inner.data() + 10, ip::checksum({inner.data(), inner_size}));
  } else {
    ip::emit_ipv6(inner.data(), packet);
  }

  ip::OutPacket out;
  out.source = *own;
  out.destination = pod;
  out.protocol = v4 ? ip::Protocol::kIpv4 : ip::Protocol::kIpv6;
  out.tos = packet.tos;
  out.header = {inner.data(), inner_size};
  out.checksum_filled = true;
  out.payload_size = transport_size + packet.payload_size;
  const buf::Fragment front(buf::View(transport.data(), transport_size));
  if (packet.payload.size() <= 1) [[likely]] {
    const std::array pieces{front, packet.payload.empty() ? buf::Fragment() : packet.payload[0]};
    out.payload = pieces;
    return host.send(out, now);
  }
  std::vector<buf::Fragment> pieces{front};
  pieces.insert(pieces.end(), packet.payload.begin(), packet.payload.end());
  out.payload = pieces;
  return host.send(out, now);
}

}  // namespace

uint32_t longest_segment(const Way& way, const ip::Host& host) {
  const uint32_t segment = host.max_segment(way.next());
  if (segment == 0 || !config::is_one_way(way.mode)) return segment;
  const uint32_t own = ip_size(way.to.destination.address);
  return way.mode == Forward::kDsr ? segment + ip_size(way.pod) - own : segment - own;
}

ip::Sent send_on(const Way& way, const ip::OutPacket& packet, ip::Host& host, Time now) {
  switch (way.mode) {
    case Forward::kDsr:
      return host.send_via(way.pod, packet, now);
    case Forward::kIpip:
      return encapsulate(way.pod, packet, host, now);
    default:
      return host.send(packet, now);
  }
}

}  // namespace sluice::l4
