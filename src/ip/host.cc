#include "ip/host.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "ip/checksum.h"
#include "ip/echo_data.h"
#include "ip/ethernet.h"
#include "ip/host_port.h"
#include "ip/icmp.h"
#include "ip/ipv6.h"

namespace sluice::ip {

namespace {

using stats::Drop;

Drop reason_of(Ipv4::Error e) {
  switch (e) {
    case Ipv4::Error::kShort:
      return Drop::kIpShort;
    case Ipv4::Error::kVersion:
      return Drop::kIpVersion;
    case Ipv4::Error::kHeaderLength:
      return Drop::kIpHeaderLength;
    case Ipv4::Error::kTotalLength:
      return Drop::kIpTotalLength;
    default:
      return Drop::kIpChecksum;
  }
}

}  // namespace

void Host::Port::send_arp(const Arp& arp, const Mac& to) {
  std::array<uint8_t, kEthernetSize + kArpSize> frame;
  emit_ethernet(frame.data(), to, link.mac(), kEtherArp);
  arp.emit(frame.data() + kEthernetSize);
  OutFrame out;
  out.headers = frame;
  link.transmit(out);
}

void Host::Port::solicit(const Address& target, const Mac& to) {
  if (!target.is_v4()) {
    const Address* own = source_of_family(false);
    if (own == nullptr) return;
    const Address& source = is_link_local(target) ? own_link_local : *own;
    const Ndp question{kNdpSolicitation, target, own_mac(), false, false};
    if (to == kBroadcast) {
      const Address group = solicited_node(target);
      send_ndp(question, source, group, multicast_mac(group));
    } else {
      send_ndp(question, source, target, to);
    }
    return;
  }
  Arp arp;
  arp.sender_mac = own_mac();
  if (const Address* source = source_of_family(true)) arp.sender = *source;
  arp.target = target;
  send_arp(arp, to);
}

void Host::Port::release(buf::Slice frame, const Mac& to) {
  std::memcpy(frame.mutable_data(), to.data(), to.size());
  OutFrame out;
  out.headers = frame.view();
  link.transmit(out);
}

void Host::Port::tell(const Address& neighbour, bool answers) {
  using What = stats::Change::What;
  if (changes == nullptr) return;
  stats::Change c;
  c.what = answers ? What::kNeighbourBack : What::kNeighbourLost;
  c.slot = index;
  c.neighbour = neighbour;
  changes->push(c);
}

namespace {

std::vector<Route> all_routes(std::span<const PortAddresses> ports) {
  std::vector<Route> all;
  for (size_t i = 0; i < ports.size(); ++i) {
    for (const Prefix& p : ports[i].addresses)
      all.push_back({p, std::nullopt, static_cast<uint16_t>(i)});
    for (Route r : ports[i].routes) {
      r.port = static_cast<uint16_t>(i);
      all.push_back(r);
    }
  }
  return all;
}

}  // namespace

Host::Host(std::span<Link* const> links, std::span<const PortAddresses> ports, buf::Memory& memory,
           TimerWheel& wheel, stats::Changes* changes)
    : links_(links.begin(), links.end()),
      own_routes_(all_routes(ports)),
      routes_(own_routes_),
      memory_(memory) {
  assert(links.size() == ports.size());
  for (size_t i = 0; i < links.size(); ++i) {
    ports_.push_back(std::make_unique<Port>(*links[i], static_cast<uint32_t>(i), ports[i].addresses,
                                            wheel, changes));
    for (const Prefix& p : ports[i].addresses) locals_.push_back(p.address);
  }
  find_answered();
  set_pods({});
}

Host::~Host() = default;

void Host::set_learned_routes(std::span<const Route> routes) {
  std::vector<Route> all = own_routes_;
  for (const Route& r : routes)
    if (r.port < ports_.size()) all.push_back(r);
  routes_ = RouteTable(std::move(all));
  ++generation_;
}

void Host::set_vips(std::vector<Address> vips) {
  std::vector<Address> before = std::move(vips_);
  vips_ = std::move(vips);
  std::sort(vips_.begin(), vips_.end());
  find_answered();
  for (const Address& a : vips_) {
    if (std::binary_search(before.begin(), before.end(), a)) continue;
    for (auto& port : ports_)
      if (port->answers_for(a)) announce(*port, a);
  }
}

void Host::set_pods(const std::vector<Address>& pods) {
  std::vector<std::vector<Address>> next_hops(ports_.size());
  for (const Route& r : routes_.all())
    if (r.via) next_hops[r.port].push_back(*r.via);
  for (const Address& pod : pods)
    if (const Route* r = routes_.find(pod); r != nullptr && !r->via)
      next_hops[r->port].push_back(pod);
  for (size_t i = 0; i < ports_.size(); ++i) ports_[i]->neighbours.keep(next_hops[i]);
}

void Host::add_pod(const Address& pod) {
  if (const Route* r = routes_.find(pod); r != nullptr && !r->via)
    ports_[r->port]->neighbours.keep_more(pod);
}

void Host::remove_pod(const Address& pod) {
  if (const Route* r = routes_.find(pod); r != nullptr && !r->via)
    ports_[r->port]->neighbours.keep_less(pod);
}

void Host::announce() {
  for (auto& port : ports_)
    for (const Prefix& p : port->addresses) announce(*port, p.address);
  set_vips(std::exchange(vips_, {}));
}

void Host::announce(size_t port) {
  for (const Address& a : ports_[port]->answered) announce(*ports_[port], a);
}

void Host::announce(Port& port, const Address& a) {
  if (!announces_) return;
  if (a.is_v4()) {
    port.send_arp({Arp::Operation::kRequest, port.own_mac(), a, Mac{}, a}, kBroadcast);
  } else if (port.speaks_v6()) {
    announce_ipv6(port, a);
  }
}

bool Host::is_vip(const Address& a) const {
  return std::binary_search(vips_.begin(), vips_.end(), a);
}

bool Host::is_local(const Address& a) const {
  return is_vip(a) || std::find(locals_.begin(), locals_.end(), a) != locals_.end();
}

// The addresses that a port answers for: its own, the VIPs of its networks, and the VIPs that are
// in no port's network.
void Host::find_answered() {
  ++generation_;
  for (auto& port : ports_) {
    port->answered.clear();
    for (const Prefix& p : port->addresses) port->answered.push_back(p.address);
    for (const Address& a : vips_) {
      const auto on_link = [&](const auto& p) { return p->on_link(a); };
      if (on_link(port) || std::none_of(ports_.begin(), ports_.end(), on_link))
        port->answered.push_back(a);
    }
    std::sort(port->answered.begin(), port->answered.end());
  }
}

// RFC 1122, 3.3.4.2, the strong end system model: a stranger on one side must not reach what
// belongs to the other side, for example a connection to a pod.
stats::Drop Host::foreign(const Address& a) const {
  return is_local(a) ? Drop::kWrongPort : Drop::kNotOurAddress;
}

Input Host::input(unsigned index, InFrame&& frame, Time now) {
  assert(index < ports_.size());
  Port& port = *ports_[index];
  const buf::Slice& front = frame.bytes.front();
  if (front.size() < kEthernetSize) return Drop::kEthernetShort;
  const uint8_t* p = front.data();
  const bool ours = std::memcmp(p, port.link.mac(), 6) == 0;
  if (!ours && !is_multicast(p)) return Drop::kNotOurMac;
  const uint16_t type = load_be16(p + 12);
  frame.bytes.drop_front(kEthernetSize);
  if (type == kEtherIpv4) {
    if (!ours) return Drop::kIpMulticast;
    return input_ipv4(port, frame, now);
  }
  if (type == kEtherArp) return input_arp(port, front.view(), now);
  if (type == kEtherIpv6) return input_ipv6(port, frame, ours, now);
  return Drop::kUnknownEtherType;
}

void Host::hear(const NeighbourNews& news, Time now) {
  Neighbours& neighbours = ports_[news.port]->neighbours;
  if (news.kind == NeighbourNews::Kind::kConfirmed) {
    neighbours.confirm(news.address, now);
  } else {
    neighbours.learn(news.address, news.mac, news.create, news.solicited, now, news.overrides);
  }
}

// Hears it, and tells the others.
void Host::tell(const NeighbourNews& news, Time now) {
  hear(news, now);
  if (listener_ != nullptr) listener_->hear(news);
}

Input Host::input_arp(Port& port, buf::View bytes, Time now) {
  const auto arp = Arp::parse(bytes);
  if (!arp || is_multicast(arp->sender_mac.data())) return Drop::kArpMalformed;
  // A probe (RFC 5227) has no sender. A node that claims one of our addresses is not believed.
  const bool asks_us = arp->operation == Arp::Operation::kRequest && port.answers_for(arp->target);
  if (!arp->sender.unspecified() && !is_local(arp->sender) && port.on_link(arp->sender))
    tell({.port = port.index,
          .address = arp->sender,
          .mac = arp->sender_mac,
          .create = asks_us,
          .solicited = arp->operation == Arp::Operation::kReply},
         now);
  if (asks_us)
    port.send_arp(
        {Arp::Operation::kReply, port.own_mac(), arp->target, arp->sender_mac, arp->sender},
        arp->sender_mac);
  return {};
}

Input Host::input_ipv4(Port& port, InFrame& frame, Time now) {
  buf::Chain& packet = frame.bytes;
  Ipv4 header;
  if (const auto e = Ipv4::parse(packet.front().view(), packet.size(), true, header);
      e != Ipv4::Error::kNone)
    return reason_of(e);
  if (!port.answers_for(header.destination)) return foreign(header.destination);
  const bool icmp = header.protocol == static_cast<uint8_t>(Protocol::kIcmp);
  if (header.fragment() && (icmp || !takes_fragments_)) return Drop::kFragment;
  // A source that nobody can answer: broadcast, multicast and class E, loopback, zero.
  const uint32_t source = header.source.v4_host();
  if (source >= 0xe0000000 || source >> 24 == 127 || source >> 24 == 0) return Drop::kBadSource;
  packet.drop_back(packet.size() - header.total_size);
  packet.drop_front(header.header_size);
  if (icmp) return input_icmp(header, std::move(packet), now);
  return transport_packet(header, frame);
}

Input Host::input_icmp(const Ipv4& header, buf::Chain chain, Time now) {
  const buf::Slice& message = chain.front();
  if (message.size() < icmp::kHeaderSize) return Drop::kIcmpShort;
  if (fold(sum_words(chain)) != 0) return Drop::kIcmpChecksum;
  const uint8_t type = message.data()[0];
  if (type == icmp::kEchoRequest) {
    if (!echo_limit_.take(now)) return Drop::kIcmpRateLimit;
    std::array<uint8_t, icmp::kHeaderSize> reply{};
    reply[0] = icmp::kEchoReply;
    const EchoData data(chain);
    if (!data.whole()) return Drop::kIcmpUnknown;
    std::memcpy(reply.data() + 4, message.data() + 4, 4);  // identifier and sequence number
    // ICMPv4 has no pseudo-header, so no port fills this checksum. RFC 1624, eqn. 3: the new sum is
    // the old one without the word that changes, which is the type and a code of zero.
    const uint16_t request = load_be16(message.data() + 2);
    store_be16(reply.data() + 2,
               fold(uint64_t{static_cast<uint16_t>(~request)} +
                    static_cast<uint16_t>(~load_be16(message.data())) + load_be16(reply.data())));
    OutPacket out;
    out.source = header.destination;
    out.destination = header.source;
    out.protocol = Protocol::kIcmp;
    out.header = reply;
    out.payload = data.pieces();
    out.payload_size = data.size();
    send(out, now);
    return {};
  }
  if (type != icmp::kUnreachable && type != icmp::kTimeExceeded && type != icmp::kParameterProblem)
    return Drop::kIcmpUnknown;
  auto error = parse_icmp_error(header.source, header.destination, chain.pop_front());
  if (!error) return Drop::kIcmpUnmatched;
  return *std::move(error);
}

Sent Host::send(const OutPacket& packet, Time now) {
  return send_from(nullptr, packet, now);
}

Sent Host::send_via(const Address& neighbour, const OutPacket& packet, Time now) {
  const Route* route = routes_.find(neighbour);
  if (route == nullptr || route->via) return Sent::kNoRoute;
  return send_to(neighbour, *ports_[route->port], packet, now);
}

// link: the port whose link-local address the packet answers to, since routes do not have such
// addresses.
Sent Host::send_from(Port* link, const OutPacket& packet, Time now) {
  const Address* next_hop = &packet.destination;
  Port* out = link;
  if (link == nullptr || !is_link_local(packet.destination)) {
    const Route* route = routes_.find(packet.destination);
    if (route == nullptr) return Sent::kNoRoute;
    out = ports_[route->port].get();
    if (route->via) next_hop = &*route->via;
  }
  return send_to(*next_hop, *out, packet, now);
}

Sent Host::send_to(const Address& next_hop, Port& port, const OutPacket& packet, Time now) {
  assert(packet.header.size() <= kMaxTransportHeader);
  assert(packet.checksum_offset == 0 || packet.checksum_filled ||
         load_be16(packet.header.data() + packet.checksum_offset) == 0);
  const bool v4 = packet.destination.is_v4();
  const uint32_t ip_size = v4 ? kIpv4Size : kIpv6Size;
  const uint16_t type = v4 ? kEtherIpv4 : kEtherIpv6;

  std::array<uint8_t, kEthernetSize + kIpv6Size + kMaxTransportHeader> headers;
  const size_t headers_size = kEthernetSize + ip_size + packet.header.size();
  const size_t total = ip_size + packet.header.size() + packet.payload_size;
  if (v4) {
    emit_ipv4(headers.data() + kEthernetSize, packet,
              packet.segment_size == 0 ? static_cast<uint16_t>(total) : uint16_t{0});
  } else {
    emit_ipv6(headers.data() + kEthernetSize, packet);
  }
  std::memcpy(headers.data() + kEthernetSize + ip_size, packet.header.data(), packet.header.size());

  OutFrame frame;
  frame.headers = {headers.data(), headers_size};
  frame.payload = packet.payload;
  frame.payload_size = packet.payload_size;
  frame.l3_size = static_cast<uint8_t>(ip_size);
  frame.v4 = v4;
  frame.segment_size = packet.segment_size;
  if (packet.protocol != Protocol::kIcmp && !packet.checksum_filled)
    frame.l4_checksum_offset =
        static_cast<uint16_t>(kEthernetSize + ip_size + packet.checksum_offset);

  Neighbours::Entry* waiting = nullptr;
  const Mac* mac = port.neighbours.lookup(next_hop, now, &waiting);
  if (mac != nullptr) {
    emit_ethernet(headers.data(), *mac, port.link.mac(), type);
    return port.link.transmit(frame) ? Sent::kYes : Sent::kNoMemory;
  }
  if (waiting == nullptr) return Sent::kUnreachable;

  // Kept whole, with checksums done in software, until the neighbour answers.
  if (packet.segment_size != 0) return Sent::kNoMemory;
  buf::Slice kept = memory_.hold().alloc();
  if (!kept || kept.tailroom() < headers_size + packet.payload_size) return Sent::kNoMemory;
  kept.grow_back(static_cast<uint32_t>(headers_size + packet.payload_size));
  uint8_t* p = kept.mutable_data();
  emit_ethernet(headers.data(), Mac{}, port.link.mac(), type);
  std::memcpy(p, headers.data(), headers_size);
  uint8_t* at = p + headers_size;
  for (const buf::View& piece : packet.payload) {
    std::memcpy(at, piece.data(), piece.size());
    at += piece.size();
  }
  if (v4) store_be16(p + kEthernetSize + 10, checksum({p + kEthernetSize, kIpv4Size}));
  if (frame.l4_checksum_offset != 0) {
    uint16_t sum =
        checksum_l4(packet.source, packet.destination, static_cast<uint8_t>(packet.protocol),
                    {p + kEthernetSize + ip_size, total - ip_size});
    if (sum == 0 && packet.protocol == Protocol::kUdp) sum = 0xffff;  // RFC 768: 0 means "none"
    store_be16(p + frame.l4_checksum_offset, sum);
  }
  port.neighbours.wait(*waiting, std::move(kept));
  return Sent::kYes;
}

uint32_t Host::max_segment(const Address& destination) const {
  const Route* route = routes_.find(destination);
  if (route == nullptr) return 0;
  return ports_[route->port]->link.mtu() - (destination.is_v4() ? kIpv4Size : kIpv6Size);
}

const Address* Host::source_for(const Address& destination) const {
  const Route* route = routes_.find(destination);
  return route == nullptr ? nullptr : ports_[route->port]->source_of_family(destination.is_v4());
}

std::optional<size_t> Host::port_to(const Address& destination) const {
  const Route* route = routes_.find(destination);
  if (route == nullptr) return std::nullopt;
  return route->port;
}

uint32_t Host::max_tso(const Address& destination) const {
  const Route* route = routes_.find(destination);
  return route == nullptr ? 0 : ports_[route->port]->link.max_tso();
}

void Host::doubt(const Address& destination, Time now) {
  const Route* route = routes_.find(destination);
  if (route == nullptr) return;
  ports_[route->port]->neighbours.doubt(route->via ? *route->via : destination, now);
}

bool Host::answers(unsigned port, const Address& a) const {
  const Port& p = *ports_[port];
  return p.answers_for(a) && (a.is_v4() || p.speaks_v6());
}

std::optional<NextHop> Host::next_hop(const Address& destination) const {
  const Route* route = routes_.find(destination);
  if (route == nullptr) return std::nullopt;
  return NextHop{route->via ? &*route->via : &destination, route->port, !route->via};
}

bool Host::hop_to(const NextHop& next, Time now, Hop& out) {
  Port& port = *ports_[next.port];
  const Mac* mac = port.neighbours.known(*next.address, now);
  if (mac == nullptr) return false;
  out = {*mac, port.own_mac(), static_cast<uint16_t>(next.port), port.link.mtu()};
  return true;
}

uint64_t Host::generation() const {
  uint64_t sum = generation_;
  for (const auto& p : ports_) sum += p->neighbours.generation();
  return sum;
}

const Neighbours& Host::neighbours(size_t port) const {
  return ports_[port]->neighbours;
}

size_t Host::neighbours() const {
  size_t n = 0;
  for (const auto& p : ports_) n += p->neighbours.size();
  return n;
}

}  // namespace sluice::ip
