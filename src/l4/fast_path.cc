#include "l4/fast_path.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "base/byte_order.h"
#include "buf/packet.h"
#include "ip/checksum.h"
#include "ip/ethernet.h"
#include "ip/ipv4.h"
#include "ip/ipv6.h"
#include "l4/header.h"
#include "l4/in_place.h"

namespace sluice::l4 {

namespace {

using config::Forward;
using in_place::load;

constexpr size_t kAhead = 4;  // frames whose headers are prefetched before their turn
constexpr uint32_t kMacs = 12;

// The plain frames of IPv4, as ip::Host would take them.
bool plain_ipv4(const uint8_t* ip, uint32_t size) {
  if (size < ip::kIpv4Size + kUdpHeader || ip[0] != 0x45) return false;
  if ((load_be16(ip + 6) & 0x3fff) != 0) return false;  // a fragment
  // Zero has two forms in a checksum, of which senders use the other one.
  if (load<uint16_t>(ip + 10) == 0xffff) return false;
  if (in_place::folded(in_place::sum_of(ip, 5)) != 0xffff) return false;
  const uint8_t source = ip[12];
  return source != 0 && source != 127 && source < 224;
}

// Loopback, IPv4-mapped, unspecified and multicast sources are not.
bool plain_ipv6(const uint8_t* ip, uint32_t size) {
  return size >= ip::kIpv6Size + kUdpHeader && ip[0] >> 4 == 6 && ip[8] != 0xff &&
         load<uint64_t>(ip + 8) != 0;
}

bool stays(FlowState state) {
  return state >= FlowState::kEstablished && state <= FlowState::kClosing;
}
static_assert(FlowState::kEstablished < FlowState::kClientFin &&
              FlowState::kClientFin < FlowState::kPodFin &&
              FlowState::kPodFin < FlowState::kClosing);

}  // namespace

// What was remembered is wrong, or may be.
void FastPath::renew() {
  pods_.resize(registry_.pods());
  vips_.assign(registry_.vips(), {});
  sources_.assign(registry_.sources(), {});
  last_ = {};
}

inline FastPath::Kind FastPath::parse(const ip::InFrame& frame, const uint8_t* mac, Candidate& c) {
  const buf::Slice& front = frame.bytes.front();
  if (front.size() < ip::kEthernetSize + ip::kIpv4Size + kUdpHeader) return Kind::kForeign;
  auto* p = const_cast<uint8_t*>(front.data());  // nobody shares a received frame
  if (load<uint32_t>(p) != load<uint32_t>(mac) || load<uint16_t>(p + 4) != load<uint16_t>(mac + 4))
    return Kind::kForeign;
  const uint16_t type = load_be16(p + kMacs);
  uint8_t* ip = p + ip::kEthernetSize;
  const uint32_t most = frame.bytes.size() - ip::kEthernetSize;
  FlowKey& key = c.lookup.key;
  uint32_t header = ip::kIpv4Size;
  c.ip = ip;
  c.v4 = type == ip::kEtherIpv4;
  if (c.v4) [[likely]] {
    c.size = load_be16(ip + 2);
    if (c.size > most || !plain_ipv4(ip, c.size)) return Kind::kForeign;
    key.protocol = ip[9];
    c.ttl = ip[8];
    key.remote.address = in_place::address_v4(ip + 12);
  } else {
    header = ip::kIpv6Size;
    if (type != ip::kEtherIpv6 || front.size() < ip::kEthernetSize + header + kUdpHeader)
      return Kind::kForeign;
    c.size = header + load_be16(ip + 4);
    if (c.size > most || !plain_ipv6(ip, c.size)) return Kind::kForeign;
    key.protocol = ip[6];
    c.ttl = ip[7];
    std::memcpy(key.remote.address.bytes.data(), ip + 8, 16);
  }
  const uint8_t* transport = ip + header;
  key.remote.port = load_be16(transport);
  key.local_port = load_be16(transport + 2);
  bool plain =
      frame.bytes.single() && frame.segment_size == 0 && frame.checksum != ip::L4Checksum::kNone;
  if (key.protocol == kUdp) {
    // Over IPv6 a checksum of zero is none (RFC 8200, 8.1).
    plain &= c.v4 || load<uint16_t>(transport + kUdpChecksum) != 0;
  } else {
    if (key.protocol != kTcp || c.size < header + kTcpHeader) return Kind::kForeign;
    const uint32_t tcp = (transport[12] >> 4) * 4u;
    plain &= tcp >= kTcpHeader && header + tcp <= c.size &&
             (transport[kTcpFlags] & (kAck | kSyn | kFin | kRst)) == kAck;
  }
  return plain ? Kind::kPlain : Kind::kLeft;
}

// The place of the destination, for the key of the flow.
inline bool FastPath::place(unsigned port, const Address& destination, Candidate& c) {
  FlowKey& key = c.lookup.key;
  if (last_.local.port != key.local_port || last_.protocol != key.protocol || last_.port != port ||
      last_.local.address != destination) [[unlikely]]
    find_place(port, {destination, key.local_port}, key.protocol);
  key.local = last_.place.index;
  key.side = last_.side;
  return last_.taken;
}

void FastPath::find_place(unsigned port, const Endpoint& local, uint8_t protocol) {
  last_.local = local;
  last_.protocol = protocol;
  last_.port = port;
  last_.place = registry_.find(local, protocol);
  last_.side = last_.place.kind == Place::Kind::kVip ? Side::kClient : Side::kPod;
  last_.taken = answers(port, last_.place, local.address);
}

bool FastPath::answers(unsigned port, Place at, const Address& destination) {
  if (at.kind == Place::Kind::kForeign) return false;
  Answers& a = (at.kind == Place::Kind::kVip ? vips_ : sources_)[at.index];
  static_assert(stats::kMaxPorts <= 32);
  const uint32_t bit = uint32_t{1} << port;
  if ((a.asked & bit) == 0) {
    a.asked |= bit;
    if (host_.answers(port, destination)) a.yes |= bit;
  }
  return (a.yes & bit) != 0;
}

inline const FastPath::PodWay* FastPath::way_to_pod(uint16_t slot, Time now) {
  PodWay& way = pods_[slot];
  if (way.generation == generation_ && now < way.until) [[likely]]
    return &way;
  return renew(way, slot, now) ? &way : nullptr;
}

// Whether the slow path would do no more than send the packet on.
inline bool FastPath::may_pass(const Candidate& c, const Flow& flow, const buf::Slice& front,
                               const PodWay* way) const {
  if (flow.mode == Forward::kDsr) return way->direct && c.size <= way->hop.mtu;
  if (c.ttl <= 1) return false;
  if (flow.mode == Forward::kIpip)
    return way->outer_size != 0 && c.size + way->outer_size <= way->hop.mtu &&
           buf::headroom(front) >= way->outer_size;
  // A UDP client of a pod or a listener that left may begin anew.
  return way->v4 == c.v4 && c.size <= way->hop.mtu &&
         (flow.protocol == kTcp || (way->live && registry_.vip(flow.vip).live));
}

inline void FastPath::translate(const Candidate& c, const Address& source, const Flow& flow) {
  if (c.v4) {
    in_place::translate_ipv4(c.ip, source, flow.from_port, flow.to, flow.to_port);
  } else {
    in_place::translate_ipv6(c.ip, source, flow.from_port, flow.to, flow.to_port);
  }
}

inline void FastPath::put(const ip::Hop& hop, buf::Slice& frame, Side side) {
  if (out_count_ > 0 && (out_port_ != hop.port || out_side_ != side)) [[unlikely]]
    flush();
  uint8_t* p = frame.mutable_data();
  std::memcpy(p, hop.to.data(), 6);
  std::memcpy(p + 6, hop.from.data(), 6);
  out_port_ = hop.port;
  out_side_ = side;
  out_[out_count_++] = buf::release_packet(frame);
}

inline bool FastPath::send(Candidate& c, ip::InFrame& frame, Flow& flow, Time now) {
  const bool to_pod = flow.side == Side::kClient;
  const bool tcp = flow.protocol == kTcp;
  if (tcp ? !stays(flow.state) : !to_pod && flow.state != FlowState::kUdpAnswered) return false;
  buf::Slice& front = frame.bytes.front();
  if (!to_pod) {
    const Way* way = way_to_client(flow.to, now);
    if (way == nullptr || c.ttl <= 1 || c.size > way->hop.mtu || flow.to.is_v4() != c.v4)
      return false;
    const Address& source = registry_.vip(flow.from).address.address;
    if (tcp) flow.ack = load_be32(c.ip + (c.v4 ? ip::kIpv4Size : ip::kIpv6Size) + 8);
    translate(c, source, flow);
    front.drop_back(front.size() - ip::kEthernetSize - c.size);
    put(way->hop, front, Side::kPod);
    return true;
  }
  const PodWay* way = way_to_pod(flow.pod, now);
  if (way == nullptr || !may_pass(c, flow, front, way)) return false;
  const uint32_t header = c.v4 ? ip::kIpv4Size : ip::kIpv6Size;
  if (tcp) flow.ack = load_be32(c.ip + header + 8);
  front.drop_back(front.size() - ip::kEthernetSize - c.size);
  switch (flow.mode) {
    case Forward::kDsr:
      if (!c.v4) in_place::label_ipv6(c.ip, c.ip + header);
      break;
    case Forward::kIpip:
      if (c.v4) {
        in_place::age_ipv4(c.ip, 0);
      } else {
        --c.ip[7];
        in_place::label_ipv6(c.ip, c.ip + header);
      }
      wrap(c, front, *way);
      break;
    default:
      translate(c, registry_.source(flow.from), flow);
  }
  put(way->hop, front, Side::kClient);
  return true;
}

// The outer header, as l4::send_on() makes it.
void FastPath::wrap(const Candidate& c, buf::Slice& front, const PodWay& way) {
  buf::grow_front(front, way.outer_size);
  uint8_t* frame = front.mutable_data();
  uint8_t* outer = frame + ip::kEthernetSize;
  const auto tos = static_cast<uint8_t>(c.v4 ? c.ip[1] : load_be16(c.ip) >> 4);
  const auto protocol = static_cast<uint8_t>(c.v4 ? ip::Protocol::kIpv4 : ip::Protocol::kIpv6);
  if (way.outer_size == ip::kIpv4Size) {
    const uint32_t size = c.size + ip::kIpv4Size;
    std::memcpy(outer, way.outer.data(), ip::kIpv4Size);
    store_be16(frame + kMacs, ip::kEtherIpv4);
    outer[1] = tos;
    store_be16(outer + 2, static_cast<uint16_t>(size));
    outer[9] = protocol;
    store_be16(outer + 10, ip::fold(way.outer_sum + tos + size + protocol));
  } else {
    std::memcpy(outer, way.outer.data(), ip::kIpv6Size);
    store_be16(frame + kMacs, ip::kEtherIpv6);
    const uint32_t label = ip::flow_label(way.source_hash, way.destination_hash,
                                          load<uint32_t>(c.ip + (c.v4 ? 12 : 20)));
    store_be32(outer, uint32_t{6} << 28 | uint32_t{tos} << 20 | label);
    store_be16(outer + 4, static_cast<uint16_t>(c.size));
    outer[6] = protocol;
  }
}

bool FastPath::renew(PodWay& way, uint16_t slot, Time now) {
  const Pod& pod = registry_.pod(slot);
  const Address& address = pod.endpoint.address;
  way.generation = 0;
  const auto next = host_.next_hop(address);
  if (!next || !host_.hop_to(*next, now, way.hop)) return false;
  way.live = pod.live;
  way.v4 = address.is_v4();
  way.direct = next->direct;
  way.outer_size = 0;
  if (const Address* own = host_.source_for(address); own != nullptr) {
    ip::OutPacket out;
    out.source = *own;
    out.destination = address;
    out.protocol = ip::Protocol::kIpv4;
    // The label is of each packet.
    const std::array<uint8_t, ip::kIpv4Size> inner{};
    out.header = inner;
    if (way.v4) {
      ip::emit_ipv4(way.outer.data(), out, 0);
      way.outer[9] = 0;
      way.outer_sum = ip::sum_words({way.outer.data(), ip::kIpv4Size});
      way.outer_size = ip::kIpv4Size;
    } else {
      ip::emit_ipv6(way.outer.data(), out);
      way.outer_size = ip::kIpv6Size;
    }
    way.source_hash = hash_of(*own);
    way.destination_hash = hash_of(address);
  }
  way.until = now + kRemember;
  way.generation = generation_;
  return true;
}

const FastPath::Way* FastPath::way_to_client(const Address& client, Time now) {
  const auto next = host_.next_hop(client);
  if (!next) return nullptr;
  ClientWay& way = clients_[hash_of(*next->address) % kClientHops];
  if (way.generation == generation_ && now < way.until && way.port == next->port &&
      way.neighbour == *next->address) [[likely]]
    return &way;
  way.generation = 0;
  if (!host_.hop_to(*next, now, way.hop)) return nullptr;
  way.neighbour = *next->address;
  way.port = next->port;
  way.until = now + kRemember;
  way.generation = generation_;
  return &way;
}

size_t FastPath::transmit(ip::Link& link, std::span<rte_mbuf* const> frames) {
  size_t sent = 0;
  for (rte_mbuf* m : frames) {
    const buf::Slice frame(m);
    ip::OutFrame out;
    out.headers = frame.view();
    if (link.transmit(out)) ++sent;
  }
  return sent;
}

void FastPath::flush() {
  const size_t count = std::exchange(out_count_, 0);
  if (count == 0) return;
  const std::span<rte_mbuf* const> frames{out_.data(), count};
  const size_t sent =
      links_.empty() ? transmit(host_.link(out_port_), frames) : links_[out_port_]->forward(frames);
  (out_side_ == Side::kClient ? counters_.to_pods : counters_.to_clients).add(sent);
  if (sent < count) counters_.unsent.add(count - sent);
}

void FastPath::look_up(unsigned port, std::span<ip::InFrame> frames, Flows& flows) {
  const uint8_t* mac = host_.link(port).mac();
  for (size_t i = 0; i < std::min(kAhead, frames.size()); ++i)
    __builtin_prefetch(frames[i].bytes.front().data());
  for (size_t i = 0; i < frames.size(); ++i) {
    if (i + kAhead < frames.size()) __builtin_prefetch(frames[i + kAhead].bytes.front().data());
    Candidate& c = candidates_[i];
    c.kind = parse(frames[i], mac, c);
    if (c.kind == Kind::kForeign) continue;
    Address destination;
    if (c.v4) {
      destination = in_place::address_v4(c.ip + 16);
    } else {
      std::memcpy(destination.bytes.data(), c.ip + 24, 16);
    }
    if (place(port, destination, c)) {
      flows.begin_of(c.lookup, c.v4);
    } else {
      c.kind = Kind::kForeign;
    }
  }
}

size_t FastPath::input(unsigned port, std::span<ip::InFrame> frames, Flows& flows, Time now) {
  assert(frames.size() <= kBurst);
  if (const uint64_t g = host_.generation() + registry_.generation() + 1; g != generation_)
      [[unlikely]] {
    generation_ = g;
    renew();
  }
  look_up(port, frames, flows);
  const uint32_t stamp = Flows::stamp(now);
  std::array<const Flow*, kBurst> held;  // flows of which a packet is left
  size_t held_count = 0;
  size_t left = 0;
  for (size_t i = 0; i < frames.size(); ++i) {
    Candidate& c = candidates_[i];
    Flow* flow = c.kind == Kind::kForeign ? nullptr : flows.find(c.lookup);
    if (flow != nullptr) [[likely]] {
      const Flow* const* begin = held.data();
      const Flow* const* end = begin + held_count;
      if (c.kind == Kind::kPlain && std::find(begin, end, flow) == end &&
          send(c, frames[i], *flow, now)) [[likely]] {
        if (flow->seen != stamp) flow->seen = stamp;
        continue;
      }
      held[held_count++] = flow;
    }
    if (left != i) frames[left] = std::move(frames[i]);
    ++left;
  }
  flush();
  return left;
}

}  // namespace sluice::l4
