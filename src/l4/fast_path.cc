#include "l4/fast_path.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
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

constexpr size_t kAhead = 4;    // frames whose headers are prefetched before their turn
constexpr uint32_t kMacs = 12;  // bytes of both MAC addresses
constexpr size_t kTcpSequence = 4;
constexpr size_t kTcpAck = 8;  // offset of the acknowledgment number

// The plain frames of IPv4, as ip::Host would take them.
inline bool plain_ipv4(const uint8_t* ip, uint32_t size) {
  if (size < ip::kIpv4Size + kUdpHeader || ip[0] != 0x45) return false;
  if ((load_be16(ip + 6) & 0x3fff) != 0) return false;  // a fragment
  // Zero has two forms in a checksum, of which senders use the other one.
  if (load<uint16_t>(ip + 10) == 0xffff) return false;
  if (!in_place::sums_up(in_place::sum_of(ip, 5))) return false;
  const uint8_t source = ip[12];
  return source != 0 && source != 127 && source < 224;
}

// Loopback, IPv4-mapped, unspecified and multicast sources are not.
inline bool plain_ipv6(const uint8_t* ip, uint32_t size) {
  return size >= ip::kIpv6Size + kUdpHeader && ip[0] >> 4 == 6 && ip[8] != 0xff &&
         load<uint64_t>(ip + 8) != 0;
}

constexpr uint32_t bit(FlowState state) {
  return uint32_t{1} << static_cast<unsigned>(state);
}
constexpr uint32_t kOpen = bit(FlowState::kEstablished) | bit(FlowState::kClientFin) |
                           bit(FlowState::kPodFin) | bit(FlowState::kClosing);
// The states that a packet of each side leaves as they are.
constexpr std::array<uint32_t, 2> kStays{
    kOpen | bit(FlowState::kUdp) | bit(FlowState::kUdpAnswered),
    kOpen | bit(FlowState::kUdpAnswered)};
static_assert(static_cast<size_t>(Side::kClient) == 0 && static_cast<size_t>(Side::kPod) == 1);

// The last word of a key has all but the remote address.
constexpr size_t kLastWord = sizeof(FlowKey) - sizeof(uint64_t);
static_assert(offsetof(FlowKey, remote.port) == kLastWord);

enum class Transport : uint8_t { kForeign, kLeft, kPlain };

// size: of the transport packet, of which the header lies in the first buffer.
inline Transport look_at(const uint8_t* header, uint8_t protocol, uint32_t size) {
  if (protocol == kUdp) return Transport::kPlain;
  if (protocol != kTcp || size < kTcpHeader) return Transport::kForeign;
  const uint32_t tcp = (header[12] >> 4) * 4u;
  const bool plain =
      tcp >= kTcpHeader && tcp <= size && (header[kTcpFlags] & (kAck | kSyn | kFin | kRst)) == kAck;
  return plain ? Transport::kPlain : Transport::kLeft;
}

// What the port says of the frame.
inline bool plain_frame(const ip::InFrame& frame) {
  return frame.bytes.single() && frame.segment_size == 0 && frame.checksum != ip::L4Checksum::kNone;
}

// All of a place but the address: the local port, the protocol, and the number of the own port.
inline uint64_t place_word(const uint8_t* transport, uint8_t protocol, uint64_t port) {
  return uint64_t{load<uint16_t>(transport + 2)} << 32 | uint64_t{protocol} << 48 | port << 56;
}

}  // namespace

// What was remembered is wrong, or may be.
void FastPath::renew() {
  pods_.resize(registry_.pods());
  vips_.assign(registry_.vips(), {});
  sources_.assign(registry_.sources(), {});
  own_vips_.resize(registry_.vips());
  for (size_t i = 0; i < own_vips_.size(); ++i) {
    const Vip& vip = registry_.vip(static_cast<uint16_t>(i));
    own_vips_[i] = in_place::known(vip.address.address);
  }
  own_sources_.resize(registry_.sources());
  for (size_t i = 0; i < own_sources_.size(); ++i)
    own_sources_[i] = in_place::known(registry_.source(static_cast<uint16_t>(i)));
  last_v4_ = last_v6_ = {};
}

inline void FastPath::begin_key(Candidate& c, const LastPlace& place, uint16_t remote_port) {
  FlowKey& key = c.lookup.key;
  std::memcpy(reinterpret_cast<uint8_t*>(&key) + kLastWord, &place.key, sizeof place.key);
  key.remote.port = remote_port;
}

inline FastPath::Kind FastPath::parse_ipv4(const ip::InFrame& frame, uint64_t port, Flows& flows,
                                           Candidate& c) {
  const uint8_t* ip = c.ip;
  c.v4 = true;
  c.size = load_be16(ip + 2);
  if (c.size > frame.bytes.size() - ip::kEthernetSize || !plain_ipv4(ip, c.size))
    return Kind::kForeign;
  const uint8_t* transport = ip + ip::kIpv4Size;
  const uint8_t protocol = ip[9];
  const Transport t = look_at(transport, protocol, c.size - ip::kIpv4Size);
  if (t == Transport::kForeign) return Kind::kForeign;
  const uint64_t word = place_word(transport, protocol, port) | load<uint32_t>(ip + 16);
  if (last_v4_.word != word) [[unlikely]] {
    find_place(port, {in_place::address_v4(ip + 16), load_be16(transport + 2)}, protocol, flows,
               last_v4_);
    last_v4_.word = word;
  }
  if (!last_v4_.taken) return Kind::kForeign;
  c.ttl = ip[8];
  const uint16_t remote_port = load_be16(transport);
  c.lookup.key.remote.address = in_place::address_v4(ip + 12);
  begin_key(c, last_v4_, remote_port);
  const uint32_t hash = flows.hash().of_v4(last_v4_.hash, ip + 12, remote_port);
  flows.prefetch(hash);
  c.lookup.hash = hash;
  return t == Transport::kPlain && plain_frame(frame) ? Kind::kPlain : Kind::kLeft;
}

inline FastPath::Kind FastPath::parse_ipv6(const ip::InFrame& frame, uint64_t port, Flows& flows,
                                           Candidate& c) {
  const uint8_t* ip = c.ip;
  c.v4 = false;
  c.size = ip::kIpv6Size + load_be16(ip + 4);
  if (frame.bytes.front().size() < ip::kEthernetSize + ip::kIpv6Size + kUdpHeader ||
      c.size > frame.bytes.size() - ip::kEthernetSize || !plain_ipv6(ip, c.size))
    return Kind::kForeign;
  const uint8_t* transport = ip + ip::kIpv6Size;
  const uint8_t protocol = ip[6];
  Transport t = look_at(transport, protocol, c.size - ip::kIpv6Size);
  if (t == Transport::kForeign) return Kind::kForeign;
  // A checksum of zero is none (RFC 8200, 8.1).
  if (protocol == kUdp && load<uint16_t>(transport + kUdpChecksum) == 0) t = Transport::kLeft;
  const uint64_t word = place_word(transport, protocol, port);
  const std::array address{load<uint64_t>(ip + 24), load<uint64_t>(ip + 32)};
  if (last_v6_.word != word ||
      ((last_v6_.address[0] ^ address[0]) | (last_v6_.address[1] ^ address[1])) != 0) [[unlikely]] {
    Address destination;
    std::memcpy(destination.bytes.data(), ip + 24, destination.bytes.size());
    find_place(port, {destination, load_be16(transport + 2)}, protocol, flows, last_v6_);
    last_v6_.word = word;
    last_v6_.address = address;
  }
  if (!last_v6_.taken) return Kind::kForeign;
  c.ttl = ip[7];
  const uint16_t remote_port = load_be16(transport);
  std::memcpy(c.lookup.key.remote.address.bytes.data(), ip + 8, 16);
  begin_key(c, last_v6_, remote_port);
  const uint32_t hash = flows.hash().of_v6(last_v6_.hash, ip + 8, remote_port);
  flows.prefetch(hash);
  c.lookup.hash = hash;
  return t == Transport::kPlain && plain_frame(frame) ? Kind::kPlain : Kind::kLeft;
}

void FastPath::find_place(uint64_t port, const Endpoint& local, uint8_t protocol,
                          const Flows& flows, LastPlace& out) {
  const Place at = registry_.find(local, protocol);
  FlowKey key;
  key.local = at.index;
  key.local_port = local.port;
  key.side = at.kind == Place::Kind::kVip ? Side::kClient : Side::kPod;
  key.protocol = protocol;
  std::memcpy(&out.key, reinterpret_cast<const uint8_t*>(&key) + kLastWord, sizeof out.key);
  out.hash = flows.hash().part(local.port, rest_of(key));
  out.taken = answers(static_cast<unsigned>(port), at, local.address);
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

inline void FastPath::translate_to_pod(const Candidate& c, const Flow& flow,
                                       const PodWay& way) const {
  const Address& source = registry_.source(flow.from);
  const uint32_t ports = in_place::ports_of(flow.from_port, flow.to_port);
  if (c.v4) {
    in_place::translate_ipv4(c.ip, source, flow.to, ports);
  } else {
    const uint64_t before = in_place::sum_of(c.ip + 8, in_place::kWords) + own_vips_[flow.vip].sum;
    in_place::translate_ipv6(c.ip, before, source, own_sources_[flow.from], flow.to, way.address,
                             ports);
  }
}

inline void FastPath::translate_to_client(const Candidate& c, const Flow& flow) const {
  const Address& source = registry_.vip(flow.from).address.address;
  const uint32_t ports = in_place::ports_of(flow.from_port, flow.to_port);
  if (c.v4) {
    in_place::translate_ipv4(c.ip, source, flow.to, ports);
  } else {
    const uint64_t before =
        in_place::sum_of(c.ip + 8, in_place::kWords) + own_sources_[flow.local].sum;
    in_place::translate_ipv6(c.ip, before, source, own_vips_[flow.from], flow.to,
                             in_place::known(flow.to), ports);
  }
}

inline void FastPath::put(const ip::Hop& hop, uint8_t* frame, uint32_t size, buf::Slice& from,
                          Side side) {
  const uint32_t word = way_word(hop.port, side);
  if (out_way_ != word) [[unlikely]] {
    flush();
    out_way_ = word;
  }
  static_assert(offsetof(ip::Hop, to) == 0 && offsetof(ip::Hop, from) == kMacs / 2);
  std::memcpy(frame, &hop, kMacs);
  out_[out_count_++] = buf::release_packet(from, frame, size);
}

bool FastPath::send_to_client(const Candidate& c, buf::Slice& front, Flow& flow, Time now) {
  const Way* way = way_to_client(flow.to, now);
  if (way == nullptr || c.ttl <= 1 || c.size > way->hop.mtu || flow.to.is_v4() != c.v4)
    return false;
  if (flow.protocol == kTcp)
    flow.ack = load_be32(c.ip + (c.v4 ? ip::kIpv4Size : ip::kIpv6Size) + kTcpAck);
  translate_to_client(c, flow);
  put(way->hop, c.ip - ip::kEthernetSize, c.size + ip::kEthernetSize, front, Side::kPod);
  return true;
}

// False: the slow path would do more than send the packet on.
inline bool FastPath::send(const Candidate& c, buf::Slice& front, Flow& flow, Time now) {
  if ((kStays[static_cast<size_t>(flow.side)] & bit(flow.state)) == 0) return false;
  if (flow.side == Side::kPod) return send_to_client(c, front, flow, now);
  PodWay& way = pods_[flow.pod];
  if (way.epoch != epoch_ && !renew(way, flow.pod, now)) [[unlikely]]
    return false;
  if (c.size > way.longest[static_cast<size_t>(flow.mode)]) return false;
  if (flow.mode != Forward::kDsr && c.ttl <= 1) return false;
  const bool tcp = flow.protocol == kTcp;
  const uint32_t header = c.v4 ? ip::kIpv4Size : ip::kIpv6Size;
  uint8_t* start = c.ip - ip::kEthernetSize;
  uint32_t size = c.size + ip::kEthernetSize;
  if (flow.mode == Forward::kNat) {
    // A UDP client of a pod or a listener that left may begin anew.
    if (way.v4 != c.v4 || (!tcp && !registry_.vip(flow.vip).has(flow.pod))) return false;
    if (tcp) flow.ack = load_be32(c.ip + header + kTcpAck);
    translate_to_pod(c, flow, way);
  } else {
    const bool wrapped = flow.mode == Forward::kIpip;
    if (wrapped && buf::headroom(front) < way.outer_size) return false;
    if (tcp) {
      flow.ack = load_be32(c.ip + header + kTcpAck);
      flow.follow(load_be32(c.ip + header + kTcpSequence));
    }
    if (!c.v4)
      in_place::label_ipv6(c.ip, in_place::hash_at(c.ip + 8), own_vips_[flow.vip].hash,
                           load<uint32_t>(c.ip + header));
    if (wrapped) {
      if (c.v4) {
        in_place::age_ipv4(c.ip, 0);
      } else {
        --c.ip[7];
      }
      start -= way.outer_size;
      size += way.outer_size;
      wrap(c, start, way);
    }
  }
  put(way.hop, start, size, front, Side::kClient);
  return true;
}

// The outer header, as l4::send_on() makes it.
inline void FastPath::wrap(const Candidate& c, uint8_t* frame, const PodWay& way) {
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
    const uint64_t sum = way.outer_sum + tos + size + protocol;
    store_be16(outer + 10, static_cast<uint16_t>(~in_place::folded(sum)));
  } else {
    std::memcpy(outer, way.outer.data(), ip::kIpv6Size);
    store_be16(frame + kMacs, ip::kEtherIpv6);
    const uint32_t label =
        ip::flow_label(way.source_hash, way.address.hash, load<uint32_t>(c.ip + (c.v4 ? 12 : 20)));
    store_be32(outer, uint32_t{6} << 28 | uint32_t{tos} << 20 | label);
    store_be16(outer + 4, static_cast<uint16_t>(c.size));
    outer[6] = protocol;
  }
}

bool FastPath::renew(PodWay& way, uint16_t slot, Time now) {
  const Pod& pod = registry_.pod(slot);
  const Address& address = pod.endpoint.address;
  way.epoch = 0;
  const auto next = host_.next_hop(address);
  if (!next || !host_.hop_to(*next, now, way.hop)) return false;
  way.v4 = address.is_v4();
  way.address = in_place::known(address);
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
  }
  const uint16_t mtu = way.hop.mtu;
  const bool wraps = way.outer_size != 0 && mtu > way.outer_size;
  way.longest[static_cast<size_t>(Forward::kNat)] = mtu;
  way.longest[static_cast<size_t>(Forward::kDsr)] = next->direct ? mtu : uint16_t{0};
  way.longest[static_cast<size_t>(Forward::kIpip)] =
      static_cast<uint16_t>(wraps ? mtu - way.outer_size : 0);
  way.epoch = epoch_;
  return true;
}

const FastPath::Way* FastPath::way_to_client(const Address& client, Time now) {
  const auto next = host_.next_hop(client);
  if (!next) return nullptr;
  ClientWay& way = clients_[hash_of(*next->address) % kClientHops];
  if (way.epoch == epoch_ && way.port == next->port && way.neighbour == *next->address) [[likely]]
    return &way;
  way.epoch = 0;
  if (!host_.hop_to(*next, now, way.hop)) return nullptr;
  way.neighbour = *next->address;
  way.port = next->port;
  way.epoch = epoch_;
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
  const auto port = static_cast<uint16_t>(out_way_ >> 8);
  const size_t sent =
      links_.empty() ? transmit(host_.link(port), frames) : links_[port]->forward(frames);
  (out_way_ == way_word(port, Side::kClient) ? counters_.to_pods : counters_.to_clients).add(sent);
  if (sent < count) counters_.unsent.add(count - sent);
}

void FastPath::look_up(unsigned port, std::span<ip::InFrame> frames, Flows& flows) {
  uint64_t mac = 0, mac_bits = 0;
  std::memcpy(&mac, host_.link(port).mac(), kMacs / 2);
  std::memset(&mac_bits, 0xff, kMacs / 2);
  for (size_t i = 0; i < std::min(kAhead, frames.size()); ++i)
    __builtin_prefetch(frames[i].bytes.front().data());
  for (size_t i = 0; i < frames.size(); ++i) {
    if (i + kAhead < frames.size()) __builtin_prefetch(frames[i + kAhead].bytes.front().data());
    const buf::Slice& front = frames[i].bytes.front();
    Candidate& c = candidates_[i];
    c.kind = Kind::kForeign;
    if (front.size() < ip::kEthernetSize + ip::kIpv4Size + kUdpHeader) continue;
    auto* frame = const_cast<uint8_t*>(front.data());  // nobody shares a received frame
    if (((load<uint64_t>(frame) ^ mac) & mac_bits) != 0) continue;
    c.ip = frame + ip::kEthernetSize;
    const uint16_t type = load_be16(frame + kMacs);
    if (type == ip::kEtherIpv4) [[likely]] {
      c.kind = parse_ipv4(frames[i], port, flows, c);
    } else if (type == ip::kEtherIpv6) {
      c.kind = parse_ipv6(frames[i], port, flows, c);
    }
  }
}

size_t FastPath::input(unsigned port, std::span<ip::InFrame> frames, Flows& flows, Time now) {
  assert(frames.size() <= kBurst);
  const uint64_t generation = host_.generation() + registry_.generation() + 1;
  if (generation != generation_ || now >= until_) [[unlikely]] {
    if (generation != generation_) renew();
    generation_ = generation;
    until_ = now + kRemember;
    ++epoch_;
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
      const std::span before{held.data(), held_count};
      const bool free =
          held_count == 0 || std::find(before.begin(), before.end(), flow) == before.end();
      if (c.kind == Kind::kPlain && free && send(c, frames[i].bytes.front(), *flow, now))
          [[likely]] {
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
