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

// That a packet is too long for the port toward `to`, in the sender's version of IP.
ErrorType too_big_for(const ip::TransportPacket& packet, const Address& to, const ip::Host& host) {
  const bool v4 = packet.source.is_v4();
  return packet_too_big(v4, host.max_segment(to) + (v4 ? ip::kIpv4Size : ip::kIpv6Size));
}

// For Maglev. The same on every appliance and after a restart: a flow that reaches another
// appliance, or a Sluice that lost its table, finds its pod.
uint64_t flow_hash(const Endpoint& client) {
  return mix64(hash_of(client.address) ^ client.port);
}

// The clients that share a limit: one IPv4 address, or one IPv6 /64.
uint64_t source_of(const Address& a) {
  if (a.is_v4()) return hash_of(a);
  Address network = a;
  std::fill(network.bytes.begin() + 8, network.bytes.end(), uint8_t{0});
  return hash_of(network);
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
      registry_(s.host, s.sources, s.stats, s.workers),
      source_ports_(s.owner, s.self, mix64(s.seed + 1)),
      random_(s.seed),
      sweep_timer_([](void* self, Time now) { static_cast<Forwarder*>(self)->on_sweep(now); },
                   this) {}

void Forwarder::adopt(const config::Snapshot& snapshot) {
  timeouts_ = snapshot.flow_timeouts;
  registry_.adopt(snapshot, owner_ == nullptr ? 1 : owner_->workers());
  active_ = registry_.has_vips();
  if (active_ && !flows_) flows_.emplace(capacity_, secret_);
  if (registry_.has_departed() && !sweep_timer_.armed()) wheel_.arm(sweep_timer_, swept_);
}

// How far behind the handshake the acknowledgment of a client may be that is the first to get here.
// A stranger would have to guess it.
constexpr uint32_t kFirstFlight = 1 << 20;

bool ends_handshake(const ip::TransportPacket& packet, const Flow& flow) {
  return load_be32(packet.payload.front().data() + 8) - flow.handshake_ack < kFirstFlight;
}

// Memory of all lookups is fetched at once.
void Forwarder::look_up(std::span<const Pending> burst) {
  assert(burst.size() <= kBurst);
  const Flows::Lookup* before = nullptr;
  for (size_t i = 0; i < burst.size(); ++i) {
    const Pending& p = burst[i];
    lookups_[i].key = {{p.packet.source, p.packet.ports->source},
                       p.place.index,
                       p.packet.ports->destination,
                       side_of(p.place),
                       p.packet.protocol};
    flows_->begin(lookups_[i], before);
    before = &lookups_[i];
  }
}

bool Forwarder::take(Pending& pending, const Flows::Lookup& lookup, Time now) {
  ip::TransportPacket& packet = pending.packet;
  const uint32_t header = header_size(packet);
  if (header == 0) {
    stats_.l4.malformed.add(1);
    return true;
  }
  const bool tcp = packet.protocol == kTcp;
  const uint8_t flags = tcp ? tcp_flags(packet) : 0;
  const bool opens = (flags & (kSyn | kAck | kRst)) == kSyn;
  Flow* flow = flows_->find(lookup);
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
    if (packet.ttl <= 1) {  // would be dropped behind the new flow
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
  FlowState after = next_state(flow->state, flow->side, flags);
  if (after != flow->state && flow->state == FlowState::kSynReceived && to_pods(*flow) &&
      !ends_handshake(packet, *flow) && (flags & kRst) == 0)
    after = flow->state;
  if (tcp && !to_pods(*flow) && (flags & (kSyn | kAck)) == (kSyn | kAck)) [[unlikely]] {
    if (Flow* client = flows_->find(flow->partner()))
      client->handshake_ack = load_be32(packet.payload.front().data() + 4) + 1;
  }
  const bool to_pod = to_pods(*flow);
  const Addresses to{{rewritten_source(*flow), flow->from_port}, {flow->to, flow->to_port}};
  switch (translate(packet, header, to, host_, stats_.l4, now)) {
    case Translated::kSent:
      // A packet that does not get there says nothing of the flow.
      flow->seen = Flows::stamp(now);
      if (after != flow->state) [[unlikely]]
        flows_->set_state(*flow, after);
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
        tell(packet, too_big_for(packet, to.destination.address, host_), too_big_limit_, now);
      break;
    case Translated::kDropped:
      break;
  }
  return true;
}

// Whether a client's SYN, or its datagram, begins a new flow in the place of this one.
bool Forwarder::begins_anew(const Flow& flow, bool opens, Time now) {
  const bool gone = !registry_.pod(flow.pod).live || !registry_.vip(flow.vip).live;
  // A client that only sends would keep the flow of a pod that left for ever.
  if (flow.protocol != kTcp) {
    if (!gone) return false;
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

// The error is about a packet that Sluice sent: its source is an address of Sluice's own, and its
// destination is that of a flow.
bool Forwarder::input(ip::IcmpError& error, bool handed_over, Time now) {
  const ip::QuotedPacket& q = error.quoted;
  if (!q.ports) return false;
  const Endpoint local{q.source, q.ports->source};
  const Endpoint remote{q.destination, q.ports->destination};
  const Place place = registry_.find(local, q.protocol);
  if (place.kind == Place::Kind::kForeign) return false;
  const Flow* flow =
      flows_->find(FlowKey{remote, place.index, local.port, side_of(place), q.protocol});
  if (flow == nullptr) {
    const auto owner = owner_of(place, local, remote);
    if (handed_over || !owner) return false;
    siblings_->hand_over(*owner, std::move(error));
    return true;
  }
  const Addresses ends{{flow->to, flow->to_port}, {rewritten_source(*flow), flow->from_port}};
  // A pod keeps one path MTU for all clients, as they have one address there. Its answers by UDP
  // would become fragments, which end here; and no client may make segments tiny.
  const bool too_big = error.kind == ip::IcmpError::Kind::kPacketTooBig;
  const bool shared = too_big && to_pods(*flow);
  if (!(shared && q.protocol == kUdp) &&
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
  if (!vip.sources.empty() &&
      !vip.sources[mix64(source_of(source) ^ secret_.k0) & (vip.sources.size() - 1)].take(now)) {
    stats_.l4.refused_source.add(1);
    return false;
  }
  if (!vip.new_flows.take(now)) {
    stats_.l4.refused_rate.add(1);
    return false;
  }
  return true;
}

bool Forwarder::make_room(Time now) {
  if (!flows_->full()) return true;
  const Flow* victim = flows_->victim(random_.next(), now);
  if (victim == nullptr) {
    stats_.l4.refused_full.add(1);
    return false;
  }
  evict(*victim);
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
  const auto from = source_ports_.find(pod, key.protocol, registry_, *flows_, now);
  if (!from) {
    stats_.l4.refused_ports.add(1);
    return nullptr;
  }
  if (from->displaced != nullptr) evict(*from->displaced);
  Flow flow;
  flow.remote = key.remote.address;
  flow.remote_port = key.remote.port;
  flow.to = pod.endpoint.address;
  flow.to_port = pod.endpoint.port;
  flow.local = flow.vip = key.local;
  flow.local_port = key.local_port;
  flow.from = from->source;
  flow.from_port = from->port;
  flow.pod = index;
  flow.state = key.protocol == kTcp ? FlowState::kSynSent : FlowState::kUdp;
  flow.protocol = key.protocol;
  flow.seen = Flows::stamp(now);
  flows_->insert(flow);
  ++vip.flows;
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

void Forwarder::end(const Flow& flow) {
  flows_->erase(flow);
  forget(flow);
}

void Forwarder::forget(const Flow& flow) {
  Vip& vip = registry_.vip(flow.vip);
  --vip.flows;
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
    active_ = registry_.has_vips();
  }
  if (flows_->size() > 0 || departed) wheel_.arm(sweep_timer_, now + kSweepEvery);
}

}  // namespace sluice::l4
