#pragma once
// A forwarder of two ports, each with IPv4 and IPv6, between a client and four pods of each family.
// Packets go in and come out as frames.

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "../ip/fixture.h"
#include "ip/ipv4.h"
#include "ip/ipv6.h"
#include "l4/forwarder.h"
#include "l4/header.h"
#include "l4/rewrite.h"

namespace sluice::l4 {

// A packet of TCP or UDP, as tests write it down.
struct Packet {
  Endpoint source, destination;
  uint8_t protocol = kTcp;
  uint8_t flags = 0;  // of TCP
  uint8_t ttl = 64;
  uint8_t tos = 0;
  uint32_t ack = 1;                  // of TCP; SYN-ACKs have the sequence number 0
  std::optional<uint32_t> seq = {};  // nullopt: 1 of a RST, else 0
  std::string data;
  bool intact = true;  // the checksum

  bool operator==(const Packet&) const = default;
};

inline Endpoint at(const char* text) {
  return *Endpoint::parse(text);
}

// The transport header and the data, with their checksum.
inline std::string transport(const Packet& p) {
  std::string s(p.protocol == kTcp ? 20 : 8, 0);
  auto* h = reinterpret_cast<uint8_t*>(s.data());
  store_be16(h, p.source.port);
  store_be16(h + 2, p.destination.port);
  if (p.protocol == kTcp) {
    h[12] = 0x50;
    h[kTcpFlags] = p.flags;
    if ((p.flags & kAck) != 0) store_be32(h + 8, p.ack);
    store_be32(h + 4, p.seq.value_or((p.flags & kRst) != 0 ? 1 : 0));
  } else {
    store_be16(h + 4, static_cast<uint16_t>(8 + p.data.size()));
  }
  s += p.data;
  h = reinterpret_cast<uint8_t*>(s.data());
  store_be16(
      h + checksum_offset(p.protocol),
      ip::checksum_l4(p.source.address, p.destination.address, p.protocol, buf::bytes_of(s)));
  return s;
}

inline std::string frame_of(const Packet& p, const ip::Mac& to, const ip::Mac& from) {
  const bool v4 = p.source.address.is_v4();
  const std::string payload = transport(p);
  ip::OutPacket out;
  out.source = p.source.address;
  out.destination = p.destination.address;
  out.protocol = static_cast<ip::Protocol>(p.protocol);
  out.header = buf::bytes_of(payload);
  out.ttl = p.ttl;
  out.tos = p.tos;
  std::string f(ip::kEthernetSize + (v4 ? ip::kIpv4Size : ip::kIpv6Size), 0);
  auto* b = reinterpret_cast<uint8_t*>(f.data());
  ip::emit_ethernet(b, to, from.data(), v4 ? ip::kEtherIpv4 : ip::kEtherIpv6);
  uint8_t* header = b + ip::kEthernetSize;
  if (v4) {
    ip::emit_ipv4(header, out, static_cast<uint16_t>(ip::kIpv4Size + payload.size()));
    store_be16(header + 10, ip::checksum({header, ip::kIpv4Size}));
  } else {
    ip::emit_ipv6(header, out);
  }
  return f + payload;
}

inline Packet parse(const std::string& frame) {
  Packet p;
  const bool v4 = load_be16(ip::raw(frame, 12)) == ip::kEtherIpv4;
  const buf::View bytes = buf::bytes_of(frame).subspan(ip::kEthernetSize);
  buf::View l4;
  if (v4) {
    ip::Ipv4 h;
    EXPECT_EQ(ip::Ipv4::parse(bytes, static_cast<uint32_t>(bytes.size()), true, h),
              ip::Ipv4::Error::kNone);
    l4 = bytes.subspan(h.header_size);
    p.source.address = h.source;
    p.destination.address = h.destination;
    p.protocol = h.protocol;
    p.ttl = h.ttl;
    p.tos = h.tos;
  } else {
    ip::Ipv6 h;
    EXPECT_EQ(ip::Ipv6::parse(bytes, static_cast<uint32_t>(bytes.size()), h),
              ip::Ipv6::Error::kNone);
    l4 = bytes.subspan(ip::kIpv6Size);
    p.source.address = h.source;
    p.destination.address = h.destination;
    p.protocol = h.protocol;
    p.ttl = h.hop_limit;
    p.tos = h.tos;
  }
  p.source.port = load_be16(l4.data());
  p.destination.port = load_be16(l4.data() + 2);
  p.intact = ip::checksum_l4(p.source.address, p.destination.address, p.protocol, l4) == 0;
  if (p.protocol == kTcp) p.flags = l4[kTcpFlags];
  p.data = buf::text_of(l4.subspan(p.protocol == kTcp ? 20 : 8));
  return p;
}

// The families of the two sides.
struct Families {
  bool client_v4 = true;
  bool pod_v4 = true;
};

class ForwarderTest : public ip::HostTest {
 protected:
  static constexpr uint16_t kPods = 4;
  static constexpr size_t kFlows = 32;
  static constexpr unsigned kNorth = 0, kSouth = 1;  // the ports of clients and of pods

  explicit ForwarderTest(Families families = {}, config::Forward mode = config::Forward::kNat)
      : families_(families), mode_(mode) {
    client.address = ip::addr(families.client_v4 ? "198.18.0.1" : "2001:db8::1");
    vip.address = ip::addr(families.client_v4 ? "198.18.0.10" : "2001:db8::10");
    own = ip::addr(families.pod_v4 ? "198.18.1.1" : "2001:db8:1::1");
    snapshot.services.push_back({.name = "echo"});
    for (uint16_t i = 0; i < kPods; ++i)
      snapshot.services[0].pods.push_back({.endpoint = pod(i), .slot = i});
    listen(vip, config::Protocol::kTcp);
    listen({vip.address, 53}, config::Protocol::kUdp);
    adopt();
    meet(kNorth, client.address);
    for (uint16_t i = 0; i < kPods; ++i) meet(kSouth, pod(i).address);
    take_sent();
  }

  Endpoint pod(uint16_t i) const {
    Endpoint e{ip::addr(families_.pod_v4 ? "198.18.1.101" : "2001:db8:1::101"), 8080};
    e.address.bytes[15] = static_cast<uint8_t>(e.address.bytes[15] + i);
    return e;
  }
  void listen(const Endpoint& address, config::Protocol protocol) {
    config::Listener l;
    l.name = address.str();
    l.address = address;
    l.protocol = protocol;
    l.slot = static_cast<uint32_t>(snapshot.listeners.size());
    l.l4.mode = mode_;
    snapshot.listeners.push_back(l);
  }
  // The snapshot, with tables as control makes them.
  void adopt() {
    for (config::Service& s : snapshot.services) {
      std::vector<Maglev::Backend> backends;
      for (const config::Pod& p : s.pods)
        backends.push_back({hash_of(p.endpoint.address), p.weight});
      s.table.maglev = std::make_shared<const Maglev>(backends);
    }
    forwarder.adopt(snapshot);
    dual.set_vips(forwarder.vips());
    tables_.push_back(snapshot.services.empty() ? nullptr : snapshot.services[0].table.maglev);
  }
  void meet(uint32_t port, const Address& neighbour) {
    dual.hear({.port = port, .address = neighbour, .mac = kPod, .create = true}, now);
  }
  void take_sent() {
    north.take();
    south.take();
  }

  // What IP hands up of a packet that arrives at a port.
  ip::TransportPacket received(unsigned port, const Packet& p) {
    const std::string f = frame_of(p, port == kNorth ? north.own() : south.own(), kClient);
    auto in = dual.input(port, {.bytes = pool.filled(f)}, now);
    EXPECT_TRUE(ip::handed_up(in)) << ip::dropped(in);
    return std::move(std::get<ip::TransportPacket>(in));
  }
  // Whether the forwarder gave the packet back, to TCP.
  bool give(ip::TransportPacket packet) {
    Pending pending;
    pending.place = forwarder.find(packet);
    if (pending.place.kind == Place::Kind::kForeign) return true;
    pending.packet = std::move(packet);
    bool back = false;
    forwarder.input({&pending, 1}, now, [&](ip::TransportPacket&, bool) { back = true; });
    return back;
  }
  bool arrive(unsigned port, const Packet& p) { return give(received(port, p)); }

  Packet from_client(uint16_t port, uint8_t flags, const std::string& data = "") const {
    return {.source = {client.address, port}, .destination = vip, .flags = flags, .data = data};
  }
  // `seen`: a packet of the flow as it reached the pod.
  static Packet from_pod(const Packet& seen, uint8_t flags, const std::string& data = "") {
    return {.source = seen.destination,
            .destination = seen.source,
            .protocol = seen.protocol,
            .flags = flags,
            .data = data};
  }
  // The frames of TCP and UDP that left.
  static std::vector<std::string> frames(ip::TestLink& link) {
    auto all = link.take();
    std::erase_if(all, [](const std::string& f) {
      const uint16_t type = load_be16(ip::raw(f, 12));
      if (type != ip::kEtherIpv4 && type != ip::kEtherIpv6) return true;
      const uint8_t protocol = *ip::raw(f, type == ip::kEtherIpv4 ? 23 : 20);
      return protocol != kTcp && protocol != kUdp;
    });
    return all;
  }
  static std::vector<Packet> sent(ip::TestLink& link) {
    std::vector<Packet> all;
    for (const std::string& f : frames(link)) all.push_back(parse(f));
    return all;
  }
  static Packet only(ip::TestLink& link) {
    const auto packets = sent(link);
    EXPECT_EQ(packets.size(), 1u);
    return packets.empty() ? Packet{} : packets[0];
  }
  // A connection of the client's port that is established; its SYN as the pod saw it.
  Packet connect(uint16_t port) {
    arrive(kNorth, from_client(port, kSyn));
    const Packet syn = only(south);
    arrive(kSouth, from_pod(syn, kSyn | kAck));
    arrive(kNorth, from_client(port, kAck));
    take_sent();
    return syn;
  }
  // Whether a segment of the client reaches this pod.
  void expect_reaches(uint16_t port, const Endpoint& pod) {
    arrive(kNorth, from_client(port, kAck, "data"));
    EXPECT_EQ(only(south).destination.str(), pod.str());
  }

  Families families_;
  config::Forward mode_;
  std::array<ip::PortAddresses, 2> dual_ports{
      ip::PortAddresses{{*Prefix::parse("198.18.0.2/24"), *Prefix::parse("2001:db8::2/64")}, {}},
      ip::PortAddresses{{*Prefix::parse("198.18.1.1/24"), *Prefix::parse("2001:db8:1::1/64")},
                        {ip::Route{*Prefix::parse("10.0.0.0/8"), ip::addr("198.18.1.254"), 0}}}};
  ip::Host dual{links, dual_ports, memory, wheel, &changes};
  Endpoint client{{}, 40'000};
  Endpoint vip{{}, 80};
  Address own;  // of Sluice, toward the pods
  config::Snapshot snapshot;
  stats::Worker counters;
  Process process{2};
  Forwarder forwarder{{.host = dual,
                       .wheel = wheel,
                       .stats = counters,
                       .sources = {{ip::addr("198.18.0.2"), ip::addr("2001:db8::2")},
                                   {ip::addr("198.18.1.1"), ip::addr("2001:db8:1::1")}},
                       .flows = kFlows,
                       .secret = {1, 2},
                       .seed = 3,
                       .process = &process}};

 private:
  std::vector<std::shared_ptr<const Maglev>> tables_;  // live as long as the forwarder uses them
};

}  // namespace sluice::l4
