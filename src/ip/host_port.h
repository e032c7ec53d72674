#pragma once
// One port of a host, for host.cc and host_ipv6.cc: its link, its addresses, its neighbours.

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "ip/arp.h"
#include "ip/host.h"
#include "ip/ndp.h"

namespace sluice::ip {

// frame: from the transport header on, as long as the IP header says; its bytes are taken.
template <class Header>
Input transport_packet(const Header& header, InFrame& frame) {
  Input in(std::in_place_type<TransportPacket>);
  TransportPacket& p = *std::get_if<TransportPacket>(&in);
  p.source = header.source;
  p.destination = header.destination;
  p.ports = parse_ports(header.protocol, frame.bytes.front().view());
  p.protocol = header.protocol;
  p.tos = header.tos;
  if constexpr (requires { header.hop_limit; }) {
    p.ttl = header.hop_limit;
  } else {
    p.ttl = header.ttl;
  }
  p.fragmentation = header.fragmentation;
  p.identification = header.identification;
  if ((header.fragmentation & 0x1fff) != 0) p.ports.reset();  // they are in the first fragment
  p.checksum = frame.checksum;
  p.segment_size = frame.segment_size;
  p.payload = std::move(frame.bytes);
  return in;
}

class Host::Port final : public NeighbourLink {
 public:
  Port(Link& l, uint32_t i, std::vector<Prefix> a, TimerWheel& wheel, stats::Changes* c)
      : link(l),
        index(i),
        changes(c),
        addresses(std::move(a)),
        own_link_local(link_local(l.mac())),
        neighbours(*this, wheel) {}

  const Address* source_of_family(bool v4) const {
    for (const Prefix& p : addresses)
      if (p.address.is_v4() == v4) return &p.address;
    return nullptr;
  }
  bool on_link(const Address& a) const {
    if (speaks_v6() && is_link_local(a)) return true;
    return std::any_of(addresses.begin(), addresses.end(),
                       [&](const Prefix& p) { return p.contains(a); });
  }
  // Addresses that this port answers for: own ones, and VIPs that are in none of the other ports'
  // networks.
  bool answers_for(const Address& a) const {
    return std::binary_search(answered.begin(), answered.end(), a);
  }
  bool speaks_v6() const { return source_of_family(false) != nullptr; }

  Mac own_mac() const {
    Mac m;
    std::memcpy(m.data(), link.mac(), m.size());
    return m;
  }

  void send_arp(const Arp& arp, const Mac& to);
  // from: an address of this port.
  void send_ndp(const Ndp& ndp, const Address& from, const Address& to, const Mac& mac);

  void solicit(const Address& target, const Mac& to) override;
  void release(buf::Slice frame, const Mac& to) override;
  void tell(const Address& neighbour, bool answers) override;

  Link& link;
  const uint32_t index;
  stats::Changes* const changes;  // may be null
  std::vector<Prefix> addresses;
  std::vector<Address> answered;  // sorted
  Address own_link_local;
  Neighbours neighbours;
};

}  // namespace sluice::ip
