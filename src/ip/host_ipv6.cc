// The IPv6 part of the host: received packets, neighbour discovery (RFC 4861), ICMPv6 (RFC 4443).

#include <array>

#include "ip/checksum.h"
#include "ip/echo_data.h"
#include "ip/ethernet.h"
#include "ip/host_port.h"
#include "ip/icmp.h"
#include "ip/ipv6.h"

namespace sluice::ip {

namespace {

using stats::Drop;

Drop reason_of(Ipv6::Error e) {
  switch (e) {
    case Ipv6::Error::kShort:
      return Drop::kIpShort;
    case Ipv6::Error::kVersion:
      return Drop::kIpVersion;
    case Ipv6::Error::kTotalLength:
      return Drop::kIpTotalLength;
    case Ipv6::Error::kOption:
      return Drop::kIpv6Option;
    default:
      return Drop::kIpHeaderLength;
  }
}

// Multicast, loopback, or an IPv4-mapped address (RFC 4291, 2.5.5.2). The latter must never be on
// the wire, and would be taken for the IPv4 host of that number.
bool impossible(const Address& source) {
  Address loopback;
  loopback.bytes[15] = 1;
  return is_multicast(source) || source == loopback || source.is_v4();
}

}  // namespace

void Host::Port::send_ndp(const Ndp& ndp, const Address& from, const Address& to, const Mac& mac) {
  std::array<uint8_t, kEthernetSize + kIpv6Size + kNdpSize> frame;
  uint8_t* message = frame.data() + kEthernetSize + kIpv6Size;
  ndp.emit(message);
  const buf::View view(message, kNdpSize);
  store_be16(message + 2, checksum_l4(from, to, static_cast<uint8_t>(Protocol::kIcmp6), view));
  OutPacket packet;
  packet.source = from;
  packet.destination = to;
  packet.protocol = Protocol::kIcmp6;
  packet.header = view;
  packet.ttl = kNdpHopLimit;
  emit_ethernet(frame.data(), mac, link.mac(), kEtherIpv6);
  emit_ipv6(frame.data() + kEthernetSize, packet);
  OutFrame out;
  out.headers = frame;
  out.v4 = false;
  link.transmit(out);
}

// There is no duplicate address detection: the operator configures the addresses, and an appliance
// that gave them up would be down.
void Host::announce_ipv6(Port& port, const Address& address) {
  const Ndp news{kNdpAdvertisement, address, port.own_mac(), false, true};
  port.send_ndp(news, address, all_nodes(), multicast_mac(all_nodes()));
}

Input Host::input_ipv6(Port& port, InFrame& frame, bool to_us, Time now) {
  buf::Chain& packet = frame.bytes;
  if (!port.speaks_v6()) return Drop::kIpv6;
  Ipv6 header;
  if (const auto e = Ipv6::parse(packet.front().view(), packet.size(), header);
      e != Ipv6::Error::kNone)
    return reason_of(e);
  const bool icmp = header.protocol == static_cast<uint8_t>(Protocol::kIcmp6);
  if (is_multicast(header.destination)) {
    if (!icmp) return Drop::kIpMulticast;
  } else if (!to_us) {
    return Drop::kIpMulticast;
  } else if (header.destination.is_v4()) {
    return Drop::kNotOurAddress;  // such a packet would be taken for the IPv4 host's
  } else if (!port.answers_for(header.destination) && header.destination != port.own_link_local) {
    return foreign(header.destination);
  }
  if (header.fragment() && (icmp || !takes_fragments_)) return Drop::kFragment;
  if (impossible(header.source)) return Drop::kBadSource;
  packet.drop_back(packet.size() - header.total_size);
  packet.drop_front(header.header_size);
  if (icmp) return input_icmp6(port, header, std::move(packet), now);
  if (header.source.unspecified()) return Drop::kBadSource;
  return transport_packet(header, frame);
}

Input Host::input_icmp6(Port& port, const Ipv6& header, buf::Chain chain, Time now) {
  if (chain.front().size() < icmp::kHeaderSize) return Drop::kIcmpShort;
  if (checksum_l4(header.source, header.destination, header.protocol, chain) != 0)
    return Drop::kIcmpChecksum;
  const buf::Slice& message = chain.front();
  const uint8_t type = message.data()[0];
  if (type == kNdpSolicitation || type == kNdpAdvertisement)
    return input_ndp(port, header, message.view(), now);
  if (is_multicast(header.destination)) return Drop::kIpMulticast;
  if (header.source.unspecified()) return Drop::kBadSource;
  if (type == icmp6::kEchoRequest) {
    if (!echo_limit_.take(now)) return Drop::kIcmpRateLimit;
    std::array<uint8_t, icmp::kHeaderSize> reply{};
    reply[0] = icmp6::kEchoReply;
    const EchoData data(chain);
    if (!data.whole()) return Drop::kIcmpUnknown;
    std::memcpy(reply.data() + 4, message.data() + 4, 4);  // identifier and sequence number
    OutPacket out;
    out.source = header.destination;
    out.destination = header.source;
    out.protocol = Protocol::kIcmp6;
    out.header = reply;
    out.checksum_offset = 2;
    out.payload = data.pieces();
    out.payload_size = data.size();
    send_from(&port, out, now);
    return {};
  }
  if (type < icmp6::kUnreachable || type > icmp6::kParameterProblem) return Drop::kIcmpUnknown;
  auto error = parse_icmp_error(header.source, header.destination, chain.pop_front());
  if (!error) return Drop::kIcmpUnmatched;
  return *std::move(error);
}

Input Host::input_ndp(Port& port, const Ipv6& header, buf::View message, Time now) {
  if (header.hop_limit != kNdpHopLimit) return Drop::kNdpMalformed;
  const auto ndp = Ndp::parse(message);
  if (!ndp || (ndp->link_address && is_multicast(ndp->link_address->data())))
    return Drop::kNdpMalformed;
  if (ndp->type == kNdpAdvertisement) {
    // A solicited advertisement is never multicast (RFC 4861, 7.1.2).
    if (ndp->solicited && is_multicast(header.destination)) return Drop::kNdpMalformed;
    // A node that claims one of our addresses is not believed.
    if (is_local(ndp->target) || ndp->target == port.own_link_local || !port.on_link(ndp->target))
      return {};
    if (!ndp->link_address) {
      if (ndp->solicited)
        tell({.port = port.index, .address = ndp->target, .kind = NeighbourNews::Kind::kConfirmed},
             now);
    } else {
      tell({.port = port.index,
            .address = ndp->target,
            .mac = *ndp->link_address,
            .solicited = ndp->solicited,
            .overrides = ndp->overrides},
           now);
    }
    return {};
  }
  const bool asks_us = port.answers_for(ndp->target) || ndp->target == port.own_link_local;
  if (header.source.unspecified()) {
    // A node wants the address for itself (RFC 4862, 5.4): all nodes are told who has it.
    if (ndp->link_address || header.destination != solicited_node(ndp->target))
      return Drop::kNdpMalformed;
    if (asks_us) announce_ipv6(port, ndp->target);
    return {};
  }
  if (ndp->link_address && !is_local(header.source) && port.on_link(header.source))
    tell({.port = port.index,
          .address = header.source,
          .mac = *ndp->link_address,
          .create = asks_us},
         now);
  if (!asks_us) return {};
  const Ndp answer{kNdpAdvertisement, ndp->target, port.own_mac(), true, true};
  // A node that probes by unicast may omit its link-layer address (RFC 4861, 4.3): it is known by
  // then.
  Neighbours::Entry* waiting = nullptr;
  const Mac* to = ndp->link_address ? &*ndp->link_address
                                    : port.neighbours.lookup(header.source, now, &waiting);
  if (to != nullptr) port.send_ndp(answer, ndp->target, header.source, *to);
  return {};
}

}  // namespace sluice::ip
