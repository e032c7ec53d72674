#pragma once
// Random frames and random configurations through IP and the forwarder. Every packet that leaves
// must be explained by the packet that came in, by the configuration, and by the flows that were
// seen before. Ends the process where one is not.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "fixture.h"

namespace sluice::l4 {

class ForwarderMachine {
 public:
  ForwarderMachine(buf::Pool& rx, buf::Pool& hold) : rx_(rx), memory_(rx, hold, 4, 4) {
    for (unsigned i = 0; i < kPods; ++i) {
      pods_.push_back(at(i % 2 == 0 ? "198.18.1.101:8080" : "[2001:db8:1::101]:8080"));
      pods_.back().address.bytes[15] = static_cast<uint8_t>(pods_.back().address.bytes[15] + i);
    }
    for (unsigned i = 0; i < kListeners; ++i) {
      const bool v4 = i % 2 == 0;
      config::Listener l;
      l.name = std::to_string(i);
      l.address = at(v4 ? "198.18.0.10:80" : "[2001:db8::10]:80");
      l.address.port = static_cast<uint16_t>(80 + i / 4);
      l.protocol = i / 2 % 2 == 0 ? config::Protocol::kTcp : config::Protocol::kUdp;
      l.slot = i;
      listeners_.push_back(l);
    }
    configure(0xff, 0x3f);
  }

  // Each command is a byte and its arguments.
  void run(std::span<const uint8_t> input) {
    input_ = input;
    while (!input_.empty()) {
      switch (next() % 8) {
        case 0:
        case 1:
        case 2:
          step(kNorth, client_packet());
          break;
        case 3:
        case 4:
          step(kSouth, pod_packet());
          break;
        case 5:
          step(next() % 2 == 0 ? kNorth : kSouth,
               damaged(next() % 2 == 0 ? client_packet() : pod_packet()));
          break;
        case 6:
          configure(next(), next());
          break;
        default:
          // Short steps, so that no neighbour is forgotten and no packet has to wait for one.
          for (unsigned n = next() % 32; n > 0; --n) pass(1s);
      }
    }
  }

 private:
  static constexpr unsigned kNorth = 0, kSouth = 1;
  static constexpr unsigned kPods = 6;
  static constexpr unsigned kListeners = 8;
  static constexpr size_t kFlows = 16;
  static constexpr size_t kRemembered = 32;
  static constexpr ip::Mac kPeer{2, 0, 0, 0, 1, 1};

  using Key = std::tuple<Endpoint, Endpoint, uint8_t>;  // remote, local, protocol

  // A packet as IP hands it up.
  struct Seen {
    Endpoint source, destination;
    uint8_t protocol = 0;
    uint8_t ttl = 0;
    std::string transport;  // header and data
    Key key() const { return {source, destination, protocol}; }
  };

  static void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "not explained: %s\n", what);
    std::abort();
  }

  uint8_t next() {
    if (input_.empty()) return 0;
    const uint8_t b = input_[0];
    input_ = input_.subspan(1);
    return b;
  }

  void configure(uint8_t listeners, uint8_t pods) {
    config::Snapshot s;
    s.services.push_back({.name = "pods"});
    std::vector<Maglev::Backend> backends;
    for (unsigned i = 0; i < kPods; ++i) {
      if ((pods >> i & 1) == 0) continue;
      s.services[0].pods.push_back({.endpoint = pods_[i], .slot = i});
      backends.push_back({hash_of(pods_[i].address), 1 + i % 2});
    }
    s.services[0].table.maglev = std::make_shared<const Maglev>(backends);
    for (unsigned i = 0; i < kListeners; ++i)
      if ((listeners >> i & 1) != 0) s.listeners.push_back(listeners_[i]);
    if ((pods & 0x40) != 0 && !s.listeners.empty()) s.listeners[0].l4.new_flows_per_source = 3;
    forwarder_.adopt(s);
    current_ = std::move(s);
    host_.set_vips(forwarder_.vips());
    pass({});
    drop_sent();
  }

  void pass(Duration time) {
    wheel_.advance(now_ += time);
    if (forwarder_.vips_changed()) host_.set_vips(forwarder_.vips());
    for (unsigned c = 0; c < 4; ++c) meet(kNorth, client(c, 0).address);
    for (const Endpoint& p : pods_) meet(kSouth, p.address);
    drop_sent();
  }
  void meet(uint32_t port, const Address& a) {
    host_.hear({.port = port, .address = a, .mac = kPeer, .create = true}, now_);
  }
  // ARP, neighbour discovery and announcements.
  void drop_sent() {
    for (ip::TestLink* link : {&north_, &south_})
      for (const std::string& f : link->take()) require(!is_transport(f), "a packet without cause");
  }

  static bool is_transport(const std::string& f) {
    const uint16_t type = load_be16(ip::raw(f, 12));
    if (type != ip::kEtherIpv4 && type != ip::kEtherIpv6) return false;
    const uint8_t protocol = *ip::raw(f, type == ip::kEtherIpv4 ? 23 : 20);
    return protocol == kTcp || protocol == kUdp;
  }

  static Endpoint client(unsigned number, uint8_t port) {
    Endpoint e = at(number % 2 == 0 ? "198.18.0.1:1000" : "[2001:db8::1]:1000");
    e.address.bytes[15] = static_cast<uint8_t>(1 + number);
    e.port = static_cast<uint16_t>(1000 + port);
    return e;
  }
  std::string client_packet() {
    const uint8_t who = next();
    const config::Listener& l = listeners_[next() % kListeners];
    Packet p;
    p.protocol = l.protocol == config::Protocol::kUdp ? kUdp : kTcp;
    p.source = client(l.address.address.is_v4() ? who % 2 * 2 : 1 + who % 2 * 2, who / 2 % 8);
    p.destination = l.address;
    return filled(p);
  }
  std::string pod_packet() {
    const uint8_t which = next();
    Packet p;
    if (sent_south_.empty() || which % 8 == 7) {
      p.source = pods_[which / 8 % kPods];
      p.destination = {p.source.address.is_v4() ? own_[0] : own_[1],
                       static_cast<uint16_t>(next() * 131)};
      p.protocol = which >= 128 ? kUdp : kTcp;
    } else {
      const Seen& s = sent_south_[which / 8 % sent_south_.size()];
      p.source = s.destination;
      p.destination = s.source;
      p.protocol = s.protocol;
    }
    return filled(p);
  }
  std::string filled(Packet& p) {
    p.flags = next() & 0x3f;
    p.ttl = static_cast<uint8_t>(1 + next() % 64);
    p.data = std::string(next() % 16, static_cast<char>(next()));
    // Ethernet addresses do not matter to a frame that step() gives to its port.
    return frame_of(p, ip::Mac{}, kPeer);
  }
  std::string damaged(std::string frame) {
    for (unsigned n = 1 + next() % 3; n > 0; --n)
      frame[ip::kEthernetSize + next() % (frame.size() - ip::kEthernetSize)] =
          static_cast<char>(next());
    if (next() % 4 == 0)
      frame.resize(ip::kEthernetSize + next() % (frame.size() - ip::kEthernetSize));
    return frame;
  }

  static Seen seen(const Endpoint& source, const Endpoint& destination, uint8_t protocol,
                   uint8_t ttl, buf::View transport) {
    return {source, destination, protocol, ttl, buf::text_of(transport)};
  }
  static Seen seen(const std::string& frame) {
    const Packet p = parse(frame);
    const size_t header =
        load_be16(ip::raw(frame, 12)) == ip::kEtherIpv4 ? ip::kIpv4Size : ip::kIpv6Size;
    return seen(p.source, p.destination, p.protocol, p.ttl,
                buf::bytes_of(frame).subspan(ip::kEthernetSize + header));
  }

  void step(unsigned port, std::string frame) {
    std::memcpy(frame.data(), (port == kNorth ? north_ : south_).mac(), 6);
    buf::Slice bytes = rx_.alloc();
    std::memcpy(bytes.mutable_data(), frame.data(), frame.size());
    bytes.grow_back(static_cast<uint32_t>(frame.size()));
    ip::Input in = host_.input(port, {.bytes = std::move(bytes)}, now_);
    std::optional<Seen> came;
    if (auto* packet = std::get_if<ip::TransportPacket>(&in)) {
      const Place place = packet->ports ? forwarder_.find(*packet) : Place{};
      if (place.kind != Place::Kind::kForeign) {
        came = seen({packet->source, packet->ports->source},
                    {packet->destination, packet->ports->destination}, packet->protocol,
                    packet->ttl, packet->payload.view());
        Pending pending{.packet = std::move(*packet), .place = place};
        forwarder_.input({&pending, 1}, now_, [](ip::TransportPacket&, bool) {});
      }
    }
    check(came);
  }

  void check(const std::optional<Seen>& came) {
    std::vector<std::pair<unsigned, Seen>> left;
    for (const auto& [port, link] : {std::pair{kNorth, &north_}, std::pair{kSouth, &south_}})
      for (const std::string& f : link->take())
        if (is_transport(f)) left.emplace_back(port, seen(f));
    if (left.empty()) return;
    require(came.has_value(), "a packet left, and none came");
    require(left.size() == 1, "two packets left");
    const Seen& out = left[0].second;
    require(out.protocol == came->protocol, "the protocol");
    require(out.ttl + 1 == came->ttl, "the TTL");
    check_transport(*came, out);
    if (left[0].first == kSouth) {
      check_to_pod(*came, out);
    } else {
      check_to_client(*came, out);
    }
  }

  // All is equal but ports and checksum; the checksum is right if it was right.
  static void check_transport(const Seen& came, const Seen& out) {
    require(came.transport.size() == out.transport.size(), "the size");
    std::string a = came.transport, b = out.transport;
    const uint16_t sum = checksum_offset(came.protocol);
    const bool omitted = came.protocol == kUdp && load_be16(ip::raw(a, sum)) == 0;
    require(omitted || intact(came) == intact(out), "the checksum");
    for (std::string* s : {&a, &b}) {
      std::memset(s->data(), 0, 4);
      std::memset(s->data() + sum, 0, 2);
    }
    require(a == b, "the transport header or the data");
  }
  static bool intact(const Seen& s) {
    return ip::checksum_l4(s.source.address, s.destination.address, s.protocol,
                           buf::bytes_of(s.transport)) == 0;
  }

  void check_to_pod(const Seen& came, const Seen& out) {
    require(std::find(own_.begin(), own_.end(), out.source.address) != own_.end(),
            "the source toward a pod");
    require(out.source.port >= Registry::kFirstSourcePort &&
                out.source.port <= Registry::kLastSourcePort,
            "the source port");
    const bool syn =
        came.protocol == kTcp && (came.transport[kTcpFlags] & (kSyn | kAck | kRst)) == kSyn;
    const auto flow = flows_.find(came.key());
    const std::pair to{out.source, out.destination};
    if (flow == flows_.end() || flow->second != to) {
      // A new flow.
      require(syn || came.protocol == kUdp, "a segment that begins a flow");
      const auto& pods = current_.services[0].pods;
      require(std::any_of(pods.begin(), pods.end(),
                          [&](const auto& p) { return p.endpoint == out.destination; }),
              "a flow to a pod that is not configured");
      const auto& ls = current_.listeners;
      require(std::any_of(ls.begin(), ls.end(),
                          [&](const auto& l) { return l.address == came.destination; }),
              "a flow of a listener that is not configured");
      flows_[came.key()] = to;
      clients_[{out.destination, out.source, out.protocol}] = {came.destination, came.source};
    }
    if (sent_south_.size() == kRemembered) sent_south_.erase(sent_south_.begin());
    sent_south_.push_back(out);
  }
  void check_to_client(const Seen& came, const Seen& out) {
    const auto flow = clients_.find(came.key());
    require(flow != clients_.end(), "an answer to nobody");
    require(flow->second.first == out.source && flow->second.second == out.destination,
            "an answer to another client");
  }

  std::span<const uint8_t> input_;
  buf::Pool& rx_;
  buf::Memory memory_;
  Time now_{1s};
  TimerWheel wheel_{now_};
  ip::TestLink north_{1}, south_{2};
  std::array<ip::Link*, 2> links_{&north_, &south_};
  std::array<Address, 2> own_{ip::addr("198.18.1.1"), ip::addr("2001:db8:1::1")};
  std::array<ip::PortAddresses, 2> ports_{
      ip::PortAddresses{{*Prefix::parse("198.18.0.2/24"), *Prefix::parse("2001:db8::2/64")}, {}},
      ip::PortAddresses{{*Prefix::parse("198.18.1.1/24"), *Prefix::parse("2001:db8:1::1/64")}, {}}};
  stats::Changes changes_;
  ip::Host host_{links_, ports_, memory_, wheel_, &changes_};
  stats::Worker counters_;
  config::Snapshot current_;
  Forwarder forwarder_{{.host = host_,
                        .wheel = wheel_,
                        .stats = counters_,
                        .sources = {{}, {own_[0], own_[1]}},
                        .flows = kFlows,
                        .secret = {1, 2},
                        .seed = 3}};
  std::vector<Endpoint> pods_;
  std::vector<config::Listener> listeners_;
  // The flows as packets showed them: from a client's packet to its translation, and back.
  std::map<Key, std::pair<Endpoint, Endpoint>> flows_;
  std::map<Key, std::pair<Endpoint, Endpoint>> clients_;
  std::vector<Seen> sent_south_;
};

}  // namespace sluice::l4
