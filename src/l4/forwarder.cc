#include "l4/forwarder.h"

#include <algorithm>
#include <cassert>

#include "ip/ipv4.h"
#include "ip/ipv6.h"
#include "l4/header.h"
#include "l4/translate.h"

namespace sluice::l4 {

namespace {

bool to_pods(const Flow& flow) {
  return flow.side == Side::kClient;
}

// The side from which packets to a place come.
Side side_of(Place place) {
  return place.kind == Place::Kind::kVip ? Side::kClient : Side::kPod;
}

// That a packet is too long for its way, in the sender's version of IP.
ErrorType too_big_for(const ip::TransportPacket& packet, const Way& way, const ip::Host& host) {
  const bool v4 = packet.source.is_v4();
  return packet_too_big(v4, longest_segment(way, host) + (v4 ? ip::kIpv4Size : ip::kIpv6Size));
}

FlowKey key_of(const Pending& p) {
  return {{p.packet.source, p.packet.ports->source},
          p.place.index,
          p.packet.ports->destination,
          side_of(p.place),
          p.packet.protocol};
}

// For Maglev. The same on every appliance and after a restart: datagrams that reach another
// appliance, or a Sluice that lost its table, find their pod, and so does a client that connects
// again. The segments of a TCP connection draw RST there.
uint64_t flow_hash(const Endpoint& client) {
  return mix64(hash_of(client.address) ^ client.port);
}

// A network of IPv6 by its first bytes.
uint64_t network_of(const Address& a, size_t bytes) {
  Address network{};
  std::copy_n(a.bytes.begin(), bytes, network.bytes.begin());
  return hash_of(network);
}

// The clients that share a limit: one IPv4 address, or one IPv6 /64.
uint64_t source_of(const Address& a) {
  return a.is_v4() ? hash_of(a) : network_of(a, 8);
}

// The networks that may be one client's: an IPv6 /48 (RFC 6177). 0: none.
uint64_t site_of(const Address& a, uint64_t secret) {
  return a.is_v4() ? 0 : mix64(network_of(a, 6) ^ secret) | 1;
}

}  // namespace

Forwarder::Forwarder(const Setup& s)
    : host_(s.host),
      wheel_(s.wheel),
      stats_(s.stats),
      capacity_(s.flows),
      secret_{mix64(s.secret.k0 + 11), mix64(s.secret.k1 + 11)},
      self_(s.self),
      owner_(s.owner),
      siblings_(s.siblings),
      process_(s.process == nullptr ? alone_.emplace(1) : *s.process),
      populator_(s.populator),
      registry_(s.host, s.sources, s.stats, process_, process_.workers() == 1 ? 0 : s.self),
      pin_above_(s.pin_above),
      fast_path_(s.host, s.links, registry_, s.stats.l4),
      source_ports_(s.owner, s.self, mix64(s.seed + 1)),
      random_(s.seed),
      fragments_(secret_),
      sweep_timer_([](void* self, Time now) { static_cast<Forwarder*>(self)->on_sweep(now); },
                   this),
      flush_timer_([](void* self, Time now) { static_cast<Forwarder*>(self)->on_flush(now); },
                   this) {
  // Strangers cannot tell where the series begins (RFC 7739).
  const uint32_t workers = owner_ == nullptr ? 1 : owner_->workers();
  identification_ = static_cast<uint32_t>(mix64(secret_.k1) >> 40) * workers + self_;
}

void Forwarder::adopt(const config::Snapshot& snapshot) {
  timeouts_ = snapshot.flow_timeouts;
  registry_.adopt(snapshot);
  set_active();
  if (active_ && !flows_) {
    flows_.emplace(capacity_, secret_);
    // Nothing waits for the first configuration. A later one must not stop the worker for so long.
    if (!adopted_) {
      flows_->touch();
    } else if (populator_ != nullptr) {
      const auto memory = std::as_writable_bytes(flows_->memory());
      populator_->populate(self_, memory.data(), memory.size());
    }
  }
  adopted_ = true;
  begin_flush();
  if (registry_.has_departed() && !sweep_timer_.armed()) wheel_.arm(sweep_timer_, swept_);
}

void Forwarder::adopt_difference(const config::Snapshot& snapshot) {
  const auto chooses = [&](const config::PodChange& c) {
    return snapshot.services[c.service].table.maglev != nullptr;
  };
  const auto& changes = snapshot.difference->changes;
  if (std::none_of(changes.begin(), changes.end(), chooses)) return;
  const std::vector<Address> before = vips();
  adopt(snapshot);
  vips_changed_ |= vips() != before;
}

// How far behind the handshake the acknowledgment of a client may be that is the first to get here.
// A stranger would have to guess it.
constexpr uint32_t kFirstFlight = 1 << 20;

bool ends_handshake(const TcpFields& segment, const Flow& flow) {
  return segment.acknowledged - flow.ack < kFirstFlight;
}

// How far a RST may be ahead of what its receiver has acknowledged: by data in flight.
// A pod that ends in the middle of an answer may have as much in flight as its send buffer takes.
constexpr uint32_t kNearReset = 1 << 16;
// The client acknowledges such an answer all the time.
constexpr uint32_t kNearResetOfPod = 1 << 24;
constexpr Duration kAnswerGoesOn = 5s;  // since the client's last packet

// The header is whole.
TcpFields tcp_fields(const ip::TransportPacket& packet) {
  const uint8_t* header = packet.payload.front().data();
  return {header[kTcpFlags], load_be32(header + 4), load_be32(header + 8)};
}

// Memory of all lookups is fetched at once.
void Forwarder::look_up(std::span<const Pending> burst) {
  assert(burst.size() <= kBurst);
  const Flows::Lookup* before = nullptr;
  for (size_t i = 0; i < burst.size(); ++i) {
    const Pending& p = burst[i];
    lookups_[i].key = key_of(p);
    flows_->begin(lookups_[i], before);
    before = &lookups_[i];
  }
}

bool Forwarder::take(Pending& pending, const Flows::Lookup& lookup, Time now) {
  ip::TransportPacket& packet = pending.packet;
  if (is_later_fragment(packet)) [[unlikely]]
    return take_fragment(pending, lookup, now);
  const uint32_t header = header_size(packet);
  if (header == 0) {
    stats_.l4.malformed.add(1);
    return true;
  }
  const bool tcp = packet.protocol == kTcp;
  const TcpFields fields = tcp ? tcp_fields(packet) : TcpFields{};
  const uint8_t flags = fields.flags;
  const bool opens = (flags & (kSyn | kAck | kRst)) == kSyn;
  Flow* flow = flows_->find(lookup);
  if (flow == nullptr && pending.place.shared) [[unlikely]]
    return take_as_listeners(pending, now);
  if (flow != nullptr && flow->side == Side::kClient && (opens || !tcp) &&
      begins_anew(*flow, opens, now)) {
    end(Flow(*flow));
    flow = nullptr;
  }
  if (flow == nullptr) {
    if (hand_over(pending)) return true;
    if (pending.place.kind != Place::Kind::kVip || (tcp && !opens)) {
      stats_.l4.no_flow.add(1);
      return !tcp;
    }
    // Would be dropped behind the new flow.
    if (packet.ttl <= 1 &&
        registry_.vip(pending.place.index).limits.mode != config::Forward::kDsr) {
      stats_.l4.ttl_expired.add(1);
      tell(packet, time_exceeded(packet.source.is_v4()), expired_limit_, now);
      return true;
    }
    flow = begin(lookup, now);
    if (flow == nullptr) {
      const Vip& vip = registry_.vip(pending.place.index);
      // A port behind which nobody is refuses connections. Other reasons may pass.
      return !tcp || (vip.live && !vip.pods.empty());
    }
  }
  FlowState after = flow->one_way() ? next_state_of_client(flow->state, flags)
                                    : next_state(flow->state, flow->side, flags);
  if (after != flow->state && flow->state == FlowState::kSynReceived && to_pods(*flow) &&
      !ends_handshake(fields, *flow) && (flags & kRst) == 0)
    after = flow->state;
  if (tcp && (flags & (kFin | kRst)) != 0 && !may_be_believed(fields, *flow, now))
    after = flow->state;
  const bool to_pod = to_pods(*flow);
  const Way way = way_of(*flow, packet);
  if (may_be_cut(packet, way)) [[unlikely]]
    packet.identification = identification_ += owner_ == nullptr ? 1 : owner_->workers();
  switch (translate(packet, header, way, host_, stats_.l4, now)) {
    case Translated::kSent:
      // A packet that does not get there says nothing of the flow.
      note_sent(*flow, after, fields, now);
      if (to_pod) {
        stats_.l4.to_pods.add(1);
      } else {
        stats_.l4.to_clients.add(1);
      }
      break;
    case Translated::kTtlExpired:
      tell(packet, time_exceeded(packet.source.is_v4()), expired_limit_, now);
      break;
    case Translated::kTooLong:
      // Where routers may cut packets, no sender listens. Sluice does not cut them.
      if ((packet.fragmentation & ip::kDontFragment) != 0)
        tell(packet, too_big_for(packet, way, host_), too_big_limit_, now);
      break;
    case Translated::kDropped:
      break;
  }
  return true;
}

// Of a packet that left: its time, and what a later RST is told by.
void Forwarder::note_sent(Flow& flow, FlowState after, const TcpFields& tcp, Time now) {
  const bool to_pod = to_pods(flow);
  flow.seen = Flows::stamp(now);
  if ((tcp.flags & kAck) != 0 && !(to_pod && l4::half_open(after))) flow.ack = tcp.acknowledged;
  if (flow.protocol == kTcp && flow.one_way()) {
    if (l4::half_open(flow.state) || over(flow.state)) {
      flow.set_sequence(tcp.sequence);
    } else {
      flow.follow(tcp.sequence);
    }
  }
  // A SYN-ACK that the pod repeats behind the handshake is older than what the client has.
  const bool opening = l4::half_open(flow.state) || flow.state == FlowState::kRefused ||
                       flow.state == FlowState::kReset;
  if (!to_pod && opening && (tcp.flags & (kSyn | kAck)) == (kSyn | kAck)) [[unlikely]] {
    if (Flow* client = flows_->find(flow.partner())) client->ack = tcp.sequence + 1;
  }
  if (after != flow.state) [[unlikely]]
    flows_->set_state(flow, after);
}

// Whether the receiver of a RST may believe it. Its sequence number is near what the receiver
// expects: the receiver takes a RST that has exactly that number, and answers others of its window
// (RFC 5961, 3.2), which takes the RST back here. It says nothing of others. Where no packets of
// the pod are seen, RST and FIN are near the client's last segment. A stranger has to guess the
// number.
bool Forwarder::may_be_believed(const TcpFields& end, const Flow& flow, Time now) {
  if (l4::half_open(flow.state)) return true;
  if (flow.one_way()) return flow.near(end.sequence);
  if ((end.flags & kRst) == 0) return true;
  const Flow* receiver = flows_->partner_of(flow);
  if (receiver == nullptr) return true;
  const bool far = !to_pods(flow) &&
                   std::chrono::milliseconds(Flows::stamp(now) - receiver->seen) <= kAnswerGoesOn;
  const uint32_t near = far ? kNearResetOfPod : kNearReset;
  return end.sequence - receiver->ack < near;
}

void Forwarder::set_active() {
  active_ = registry_.has_vips();
  host_.set_takes_fragments(active_);
}

// Datagrams of several clients leave from one address, so their identifications have to be made
// anew.
bool Forwarder::know_fragment(ip::TransportPacket& packet, Time now) {
  if (is_later_fragment(packet)) {
    const Fragments::Datagram* datagram = fragments_.find(packet, now);
    if (datagram == nullptr) {
      stats_.l4.fragments_dropped.add(1);
      return false;
    }
    packet.ports = datagram->ports;
    packet.identification = datagram->identification;
    return true;
  }
  if (!packet.ports || find(packet).kind == Place::Kind::kForeign) return true;
  identification_ += owner_ == nullptr ? 1 : owner_->workers();
  fragments_.remember(packet, {*packet.ports, identification_}, now);
  packet.identification = identification_;
  return true;
}

// Behind the first: there is no transport header, and nothing of TCP to see.
bool Forwarder::take_fragment(Pending& pending, const Flows::Lookup& lookup, Time now) {
  ip::TransportPacket& packet = pending.packet;
  Flow* flow = flows_->find(lookup);
  if (flow == nullptr && pending.place.shared && pending.place.listener == Place::Kind::kVip)
      [[unlikely]] {
    if (hand_over_answer(pending)) return true;
    pending.place = pending.place.of_listener();
    Flows::Lookup of_client;
    of_client.key = key_of(pending);
    flows_->begin(of_client, nullptr);
    return take_fragment(pending, of_client, now);
  }
  if (flow == nullptr) {
    if (!hand_over(pending)) stats_.l4.fragments_dropped.add(1);
    return true;
  }
  const bool to_pod = to_pods(*flow);
  if (translate_fragment(packet, way_of(*flow, packet), host_, stats_.l4, now) != Translated::kSent)
    return true;
  flow->seen = Flows::stamp(now);
  stats_.l4.fragments.add(1);
  (to_pod ? stats_.l4.to_pods : stats_.l4.to_clients).add(1);
  return true;
}

// Whether a packet to a listener at a source address came from a pod: an answer of a flow that
// began before the listener came, at the worker in whose share the port is. Clients of the listener
// seldom have the endpoints of pods.
bool Forwarder::hand_over_answer(Pending& pending) {
  const ip::TransportPacket& packet = pending.packet;
  return owner_ != nullptr && registry_.is_pod({packet.source, packet.ports->source}) &&
         hand_over(pending);
}

// A packet to a listener at a source address, of no flow that began before the listener came.
bool Forwarder::take_as_listeners(Pending& pending, Time now) {
  if (hand_over_answer(pending)) return true;
  pending.place = pending.place.of_listener();
  if (pending.place.kind == Place::Kind::kForeign) return false;
  Flows::Lookup lookup;
  lookup.key = key_of(pending);
  flows_->begin(lookup, nullptr);
  return take(pending, lookup, now);
}

// Whether a client's SYN, or its datagram, begins a new flow in the place of this one.
bool Forwarder::begins_anew(const Flow& flow, bool opens, Time now) {
  const bool gone = !registry_.vip(flow.vip).has(flow.pod);
  // A client that only sends would keep the flow of a pod that left for ever.
  if (flow.protocol != kTcp) {
    // A pod that answers clients itself may still do so.
    if (!gone || flow.one_way()) return false;
    const Flow* pod = flows_->find(flow.partner());
    return pod == nullptr ||
           std::chrono::milliseconds(Flows::stamp(now) - pod->seen) > timeouts_.udp;
  }
  // The client uses its port again: a new connection, perhaps to another pod. Behind a RST, which
  // may be forged, the pod itself says whether the connection is over.
  return opens && over(flow.state) && (flow.state != FlowState::kReset || gone);
}

// The source of the packets of an entry, after the rewrite.
const Address& Forwarder::rewritten_source(const Flow& flow) const {
  return flow.side == Side::kClient ? registry_.source(flow.from)
                                    : registry_.vip(flow.from).address.address;
}

Way Forwarder::way_of(const Flow& flow, const ip::TransportPacket& packet) const {
  if (!flow.one_way())
    return {{{rewritten_source(flow), flow.from_port}, {flow.to, flow.to_port}}, flow.mode, {}};
  return {{{packet.source, packet.ports->source}, {packet.destination, packet.ports->destination}},
          flow.mode,
          flow.to};
}

// An ICMP error to the packet's sender, from the address that it sent to.
void Forwarder::tell(const ip::TransportPacket& packet, const ErrorType& type, TokenBucket& limit,
                     Time now) {
  if (!limit.take(now)) {
    stats_.l4.errors_limited.add(1);
    return;
  }
  Quote quote;
  quote.ends = {{packet.source, packet.ports->source},
                {packet.destination, packet.ports->destination}};
  quote.protocol = packet.protocol;
  quote.tos = packet.tos;
  quote.ttl = packet.ttl;
  quote.fragmentation = packet.fragmentation;
  quote.identification = packet.identification;
  quote.size = packet.payload.size();
  quote.transport = packet.payload.front().view();
  if (send_error(type, packet.destination, quote, host_, now)) stats_.l4.errors_sent.add(1);
}

// The error is about a packet from an address of Sluice's own, and its destination is that of a
// flow. A pod with the VIP has sent it itself, and gets the error as it is.
bool Forwarder::input(ip::IcmpError& error, bool handed_over, Time now) {
  const ip::QuotedPacket& q = error.quoted;
  if (!q.ports) return false;
  const Endpoint local{q.source, q.ports->source};
  const Endpoint remote{q.destination, q.ports->destination};
  Place place = registry_.find(local, q.protocol);
  const auto find = [&] {
    return flows_->find(FlowKey{remote, place.index, local.port, side_of(place), q.protocol});
  };
  if (place.kind == Place::Kind::kForeign) return false;
  const Flow* flow = find();
  const bool of_pod = owner_ != nullptr && registry_.is_pod(remote);
  if (flow == nullptr && place.shared &&
      (!of_pod || handed_over || !owner_of(place, local, remote))) {
    place = place.of_listener();
    if (place.kind == Place::Kind::kForeign) return false;
    flow = find();
  }
  if (flow == nullptr) {
    const auto owner = owner_of(place, local, remote);
    if (handed_over || !owner) return false;
    siblings_->hand_over(*owner, std::move(error));
    return true;
  }
  if (flow->one_way()) {
    if (pass_on_error(error, flow->mode, flow->to, host_, now)) {
      stats_.l4.errors_translated.add(1);
    } else {
      stats_.l4.errors_dropped.add(1);
    }
    return true;
  }
  const Addresses ends{{flow->to, flow->to_port}, {rewritten_source(*flow), flow->from_port}};
  // A pod keeps one path MTU for all clients, as they have one address there: no client may make
  // segments tiny, or make fragments of UDP's answers that would end here.
  const bool too_big = error.kind == ip::IcmpError::Kind::kPacketTooBig;
  const bool shared = too_big && to_pods(*flow);
  if (!(shared && q.protocol == kUdp && q.source.is_v4() != flow->to.is_v4()) &&
      translate_error(error, ends, shared ? kLeastMtuOfPods : 0, host_, now)) {
    stats_.l4.errors_translated.add(1);
  } else {
    stats_.l4.errors_dropped.add(1);
  }
  return true;
}

// The worker that owns the flow, if it is another one.
std::optional<unsigned> Forwarder::owner_of(Place place, const Endpoint& local,
                                            const Endpoint& remote) const {
  if (owner_ == nullptr) return std::nullopt;
  const unsigned to = place.kind == Place::Kind::kSource ? owner_->by_share(local.port)
                                                         : owner_->by_hash(local, remote);
  if (to == self_) return std::nullopt;
  return to;
}

bool Forwarder::hand_over(Pending& pending) {
  if (pending.handed_over) return false;
  ip::TransportPacket& packet = pending.packet;
  const auto to = owner_of(pending.place, {packet.destination, packet.ports->destination},
                           {packet.source, packet.ports->source});
  if (!to) return false;
  siblings_->hand_over(*to, std::move(packet));
  return true;
}

bool Forwarder::admit(Vip& vip, const Address& source, Time now) {
  if (const uint32_t rate = vip.limits.new_flows_per_source;
      rate > 0 && !process_.take_of_source(vip.slot, mix64(source_of(source) ^ secret_.k0),
                                           site_of(source, secret_.k1), rate, now)) {
    stats_.l4.refused_source.add(1);
    return false;
  }
  if (!vip.new_flows.take(process_.new_flows(vip.slot), vip.limits.new_flows, process_.workers(),
                          now)) {
    stats_.l4.refused_rate.add(1);
    return false;
  }
  return true;
}

bool Forwarder::make_room(Time now) {
  while (flows_->full()) {  // a victim may have one entry, and the new flow need two
    const Flow* victim = flows_->victim(random_.next(), now);
    if (victim == nullptr) {
      stats_.l4.refused_full.add(1);
      return false;
    }
    evict(*victim);
  }
  return true;
}

void Forwarder::evict(const Flow& flow) {
  if (unproven(flow.state)) {
    stats_.l4.evicted_half_open.add(1);
  } else {
    stats_.l4.evicted.add(1);
  }
  end(Flow(flow));
}

Flow* Forwarder::begin(const Flows::Lookup& lookup, Time now) {
  const FlowKey& key = lookup.key;
  Vip& vip = registry_.vip(key.local);
  if (!vip.live) {
    stats_.l4.no_flow.add(1);
    return nullptr;
  }
  // Two of Sluice's own addresses would talk for ever.
  if (host_.owns(key.remote.address)) {
    stats_.l4.no_flow.add(1);
    return nullptr;
  }
  if (!admit(vip, key.remote.address, now)) return nullptr;
  const uint16_t picked =
      vip.maglev == nullptr ? Maglev::kNone : vip.maglev->pick(flow_hash(key.remote));
  if (picked == Maglev::kNone) {
    stats_.l4.refused_no_pod.add(1);
    return nullptr;
  }
  if (!make_room(now)) return nullptr;
  const uint16_t index = vip.pods[picked];
  Pod& pod = registry_.pod(index);
  Flow flow;
  flow.mode = vip.limits.mode;
  flow.remote = key.remote.address;
  flow.remote_port = key.remote.port;
  flow.to = pod.endpoint.address;
  flow.to_port = pod.endpoint.port;
  flow.local = flow.vip = key.local;
  flow.local_port = key.local_port;
  flow.pod = index;
  flow.state = key.protocol == kTcp ? FlowState::kSynSent : FlowState::kUdp;
  flow.protocol = key.protocol;
  if (!flow.one_way() && !choose_port(flow, pod, now)) return nullptr;
  flow.seen = Flows::stamp(now);
  if (pod.flush) flow.outlives = pod.flushes;
  flows_->insert(flow);
  registry_.flow_began(vip);
  stats_.l4.flows_begun.add(1);
  stats_.listener(vip.slot).connections.add(1);
  stats_.listener(vip.slot).active_connections.add(1);
  stats_.pod(index).connects.add(1);
  stats_.pod(index).connections.add(1);
  if (!sweep_timer_.armed()) {
    swept_ = now;
    wheel_.arm(sweep_timer_, now + kSweepEvery);
  }
  return flows_->find(lookup);
}

// The source of a NAT flow toward its pod. False, counted: there is none.
bool Forwarder::choose_port(Flow& flow, Pod& pod, Time now) {
  const auto from = source_ports_.find(pod, flow.protocol, registry_, *flows_, now);
  if (!from) {
    stats_.l4.refused_ports.add(1);
    return false;
  }
  if (from->displaced != nullptr) evict(*from->displaced);
  flow.from = from->source;
  flow.from_port = from->port;
  return true;
}

void Forwarder::end(const Flow& flow) {
  flows_->erase(flow);
  forget(flow);
}

void Forwarder::forget(const Flow& flow) {
  Vip& vip = registry_.vip(flow.vip);
  registry_.flow_ended(vip);
  stats_.listener(vip.slot).active_connections.sub(1);
  stats_.pod(flow.pod).connections.sub(1);
}

void Forwarder::on_sweep(Time now) {
  if (flows_->size() > 0)
    flows_->sweep(now - swept_, timeouts_, now, [&](const Flow& flow) {
      stats_.l4.expired.add(1);
      forget(flow);
    });
  swept_ = now;
  const bool departed = registry_.has_departed();
  if (departed && registry_.forget_unused()) {
    vips_changed_ = true;
    set_active();
  }
  if (flows_->size() > 0 || departed) wheel_.arm(sweep_timer_, now + kSweepEvery);
}

}  // namespace sluice::l4
