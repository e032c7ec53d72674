#include "l4/translate.h"

#include <algorithm>
#include <array>

#include "base/byte_order.h"
#include "ip/checksum.h"
#include "l4/fragments.h"
#include "l4/header.h"
#include "l4/mss.h"

namespace sluice::l4 {

namespace {

// The buffers of a long packet: 64 KiB in buffers of 1 KiB.
constexpr size_t kMaxBuffers = 64;

bool send(const Way& way, const ip::OutPacket& out, ip::Host& host, stats::L4& counters, Time now) {
  if (send_on(way, out, host, now) == ip::Sent::kYes) return true;
  counters.unsent.add(1);
  return false;
}

// A sender may leave out the checksum of UDP in IPv4 (RFC 768), but not in IPv6 (RFC 8200, 8.1).
bool needs_sum(const ip::TransportPacket& packet, const Way& way) {
  return packet.protocol == kUdp && !config::is_one_way(way.mode) &&
         !(packet.source.is_v4() && way.to.destination.address.is_v4()) &&
         load_be16(packet.payload.front().data() + kUdpChecksum) == 0;
}

// No NIC is asked to cut packets within packets.
uint32_t max_tso(const Way& way, const ip::Host& host) {
  return way.mode == config::Forward::kIpip ? 0 : host.max_tso(way.next());
}

// A packet of several buffers, or of several segments: in pieces of whole segments, as long as the
// outgoing port takes them.
bool send_pieces(const Way& way, ip::OutPacket& out, ip::TransportPacket& packet, ip::Host& host,
                 stats::L4& counters, Time now) {
  std::array<buf::Slice, kMaxBuffers> buffers;
  std::array<buf::Fragment, kMaxBuffers> fragments;
  size_t count = 0;
  const auto header = out.header;
  uint32_t left = packet.payload.size() - static_cast<uint32_t>(header.size());
  for (size_t skip = header.size(); packet.payload.size() > 0; skip = 0, ++count) {
    if (count == kMaxBuffers) {
      counters.too_long.add(1);
      return false;
    }
    buffers[count] = packet.payload.pop_front();
    fragments[count] = {buffers[count].view().subspan(skip), buffers[count].mbuf()};
  }

  const uint32_t segment = out.segment_size;
  const uint32_t largest =
      segment == 0 ? left : std::max(segment, max_tso(way, host) / segment * segment);
  std::array<uint8_t, ip::kMaxTransportHeader> copy;
  std::array<buf::Fragment, kMaxBuffers> piece;
  uint32_t offset = 0;
  size_t at = 0;
  do {
    const uint32_t size = std::min(left, largest);
    size_t pieces = 0;
    for (uint32_t need = size; need > 0;) {
      buf::Fragment& f = fragments[at];
      const auto n = static_cast<uint32_t>(std::min<size_t>(f.size(), need));
      if (n > 0) piece[pieces++] = f.first(n);
      f = {f.subspan(n), f.owner};
      need -= n;
      if (f.empty()) ++at;
    }
    left -= size;
    std::copy(header.begin(), header.end(), copy.begin());
    if (segment != 0) {
      store_be32(copy.data() + 4, load_be32(copy.data() + 4) + offset);
      if (left > 0) copy[kTcpFlags] &= static_cast<uint8_t>(~(kFin | kPsh));
      if (offset > 0) copy[kTcpFlags] &= static_cast<uint8_t>(~kCwr);
    }
    offset += size;
    out.header = {copy.data(), header.size()};
    out.payload = {piece.data(), pieces};
    out.payload_size = size;
    out.segment_size = static_cast<uint16_t>(size > segment ? segment : 0);
    if (!send(way, out, host, counters, now)) return false;
  } while (left > 0);
  return true;
}

Translated sent(bool yes) {
  return yes ? Translated::kSent : Translated::kDropped;
}

// The packet without its transport.
ip::OutPacket out_of(const ip::TransportPacket& packet, const Way& way) {
  ip::OutPacket out;
  out.source = way.to.source.address;
  out.destination = way.to.destination.address;
  out.protocol = static_cast<ip::Protocol>(packet.protocol);
  out.tos = packet.tos;
  out.ttl = static_cast<uint8_t>(packet.ttl - (way.mode == config::Forward::kDsr ? 0 : 1));
  out.fragmentation = may_be_cut(packet, way) ? uint16_t{0} : packet.fragmentation;
  out.identification = static_cast<uint16_t>(packet.identification);
  return out;
}

// Bytes between the IP header and the transport.
uint32_t fragment_header(const ip::TransportPacket& packet) {
  return is_fragment(packet) && !packet.source.is_v4() ? ip::kFragmentSize : 0;
}

bool send_fragment(const ip::TransportPacket& packet, const Way& way, ip::Host& host,
                   stats::L4& counters, Time now) {
  if (!packet.payload.single()) {
    counters.fragments_dropped.add(1);
    return false;
  }
  std::array<uint8_t, ip::kFragmentSize> header;
  const buf::Slice& front = packet.payload.front();
  const buf::Fragment all(front.view(), front.mbuf());
  ip::OutPacket out = out_of(packet, way);
  out.header = {header.data(), fragment_header(packet)};
  if (!out.header.empty()) {
    ip::emit_fragment(header.data(), packet.protocol, packet.fragmentation, packet.identification);
    out.protocol = ip::Protocol::kFragment;
  }
  out.checksum_filled = true;
  out.payload = {&all, 1};
  out.payload_size = static_cast<uint32_t>(all.size());
  return send(way, out, host, counters, now);
}

// The checksum of a datagram with bytes behind its end (RFC 9868, 5), which it does not cover. A
// port would sum them, too.
void fill_short_sum(const ip::TransportPacket& packet, const Addresses& to, uint8_t* header) {
  const uint32_t size = ip::summed_size(packet);
  const uint64_t sum =
      ip::sum_pseudo_header(to.source.address, to.destination.address, packet.protocol, size);
  const uint16_t value = ip::fold(ip::sum_words(packet.payload, size, sum));
  store_be16(header + kUdpChecksum, value == 0 ? uint16_t{0xffff} : value);
}

}  // namespace

bool may_be_cut(const ip::TransportPacket& packet, const Way& way) {
  constexpr uint32_t kLongest = 1'260;  // bytes, in IPv4
  return !packet.source.is_v4() && way.to.source.address.is_v4() && !is_fragment(packet) &&
         packet.segment_size == 0 && packet.payload.size() + ip::kIpv4Size <= kLongest;
}

Translated translate(ip::TransportPacket& packet, uint32_t header_size, const Way& way,
                     ip::Host& host, stats::L4& counters, Time now) {
  const Addresses& to = way.to;
  const bool as_it_came = way.mode == config::Forward::kDsr;
  if (packet.ttl <= 1 && !as_it_came) {
    counters.ttl_expired.add(1);
    return Translated::kTtlExpired;
  }
  const uint32_t longest = longest_segment(way, host);
  if (longest == 0) {
    counters.unsent.add(1);
    return Translated::kDropped;
  }
  uint32_t segment = packet.segment_size;
  if (header_size + segment > longest) segment = longest - header_size;
  if (packet.payload.size() - header_size <= segment) segment = 0;
  if (segment == 0 && packet.payload.size() + fragment_header(packet) > longest) {
    counters.too_long.add(1);
    return Translated::kTooLong;
  }

  // Of a fragment nobody can sum the whole.
  const bool fragment = is_fragment(packet);
  if (fragment && packet.source.is_v4() != to.source.address.is_v4()) {
    counters.fragments_dropped.add(1);
    return Translated::kDropped;
  }
  ip::OutPacket out = out_of(packet, way);
  out.checksum_filled =
      fragment || (packet.checksum != ip::L4Checksum::kNone && segment == 0 &&
                   packet.segment_size == 0 && packet.payload.single() && !needs_sum(packet, way));
  // A checksum that is filled anew would hide damage.
  if (!out.checksum_filled && !ip::verify_checksum(packet)) {
    counters.bad_checksum.add(1);
    return Translated::kDropped;
  }
  uint8_t* header = packet.payload.front().mutable_data();
  if (packet.protocol == kTcp && (header[kTcpFlags] & kSyn) != 0 && !as_it_came) {
    const uint32_t most = std::min(longest, host.max_segment(packet.source));
    if (most > kTcpHeader) clamp_mss(header, header_size, static_cast<uint16_t>(most - kTcpHeader));
  }
  if (!out.checksum_filled) {
    rewrite_unsummed(header, packet.protocol, to);
    if (ip::summed_size(packet) < packet.payload.size()) [[unlikely]] {
      fill_short_sum(packet, to, header);
      out.checksum_filled = true;
    }
  } else if (!config::is_one_way(way.mode)) {
    const Addresses from{{packet.source, packet.ports->source},
                         {packet.destination, packet.ports->destination}};
    rewrite(header, packet.protocol, from, to);
  }
  if (fragment) return sent(send_fragment(packet, way, host, counters, now));
  out.header = {header, header_size};
  out.checksum_offset = checksum_offset(packet.protocol);
  out.segment_size = static_cast<uint16_t>(segment);
  if (!packet.payload.single() || segment != 0) [[unlikely]]
    return sent(send_pieces(way, out, packet, host, counters, now));
  const buf::Slice& front = packet.payload.front();
  const buf::Fragment rest(front.view().subspan(header_size), front.mbuf());
  out.payload = {&rest, 1};
  out.payload_size = static_cast<uint32_t>(rest.size());
  return sent(send(way, out, host, counters, now));
}

Translated translate_fragment(const ip::TransportPacket& packet, const Way& way, ip::Host& host,
                              stats::L4& counters, Time now) {
  const bool as_it_came = way.mode == config::Forward::kDsr;
  if (packet.ttl <= 1 && !as_it_came) {
    counters.ttl_expired.add(1);
    return Translated::kTtlExpired;
  }
  if (packet.source.is_v4() != way.to.source.address.is_v4()) {
    counters.fragments_dropped.add(1);
    return Translated::kDropped;
  }
  if (packet.payload.size() + fragment_header(packet) > longest_segment(way, host)) {
    counters.too_long.add(1);
    return Translated::kTooLong;
  }
  return sent(send_fragment(packet, way, host, counters, now));
}

}  // namespace sluice::l4
