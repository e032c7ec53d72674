// Packets of clients and pods through the forwarder: full NAT over IPv4 and IPv6.

#include "l4/forwarder.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "../ip/fixture.h"
#include "l4/header.h"

namespace sluice::l4 {
namespace {

using ip::addr;

struct Packet {
  Endpoint source, destination;
  uint8_t protocol = 0;
  uint8_t flags = 0;
  uint8_t ttl = 0;
  bool intact = false;  // checksum
  std::string data;
};

class Forwarding : public ip::HostTest {
 protected:
  static constexpr uint16_t kPods = 4;

  Forwarding() {
    snapshot.services.push_back({.name = "echo"});
    for (uint16_t i = 0; i < kPods; ++i)
      snapshot.services[0].pods.push_back({.endpoint = pod(i), .slot = i});
    listen("198.18.0.10:80", config::Protocol::kTcp);
    listen("198.18.0.10:53", config::Protocol::kUdp);
    forwarder.adopt(snapshot);
    host.set_vips(forwarder.vips());
    meet(0, "198.18.0.1", "198.18.0.2");
    for (uint16_t i = 0; i < kPods; ++i) meet(1, pod(i).address.str().c_str(), "198.18.1.1");
    take_sent();
  }

  static Endpoint pod(uint16_t i) {
    return {Address::v4(0xc6120165u + i), 8080};  // 198.18.1.101 and up
  }
  void listen(const char* address, config::Protocol protocol) {
    config::Listener l;
    l.name = address;
    l.address = *Endpoint::parse(address);
    l.protocol = protocol;
    l.slot = static_cast<uint32_t>(snapshot.listeners.size());
    snapshot.listeners.push_back(l);
  }
  // The neighbour asks for us, and is known from then on.
  void meet(unsigned port, const char* neighbour, const char* us) {
    hear(port, arp(ip::Arp::Operation::kRequest, kClient, neighbour, us));
  }
  void take_sent() {
    north.take();
    south.take();
  }

  static std::string segment(const Endpoint& from, const Endpoint& to, uint8_t flags,
                             const std::string& data = "") {
    std::string s(20, 0);
    auto* p = reinterpret_cast<uint8_t*>(s.data());
    store_be16(p, from.port);
    store_be16(p + 2, to.port);
    p[12] = 0x50;
    p[13] = flags;
    s += data;
    return summed(s, from, to, kTcp);
  }
  static std::string datagram(const Endpoint& from, const Endpoint& to, const std::string& data) {
    std::string s(8, 0);
    auto* p = reinterpret_cast<uint8_t*>(s.data());
    store_be16(p, from.port);
    store_be16(p + 2, to.port);
    store_be16(p + 4, static_cast<uint16_t>(8 + data.size()));
    s += data;
    return summed(s, from, to, kUdp);
  }
  static std::string summed(std::string s, const Endpoint& from, const Endpoint& to,
                            uint8_t protocol) {
    auto* p = reinterpret_cast<uint8_t*>(s.data());
    store_be16(p + (protocol == kTcp ? 16 : 6),
               ip::checksum_l4(from.address, to.address, protocol, buf::bytes_of(s)));
    return s;
  }
  // Whether the forwarder gave the packet back, to TCP.
  bool arrive(unsigned port, const Endpoint& from, const Endpoint& to, uint8_t protocol,
              const std::string& transport) {
    auto in =
        hear(port, ipv4(port == 0 ? north.own() : south.own(), kClient, from.address.str().c_str(),
                        to.address.str().c_str(), protocol, transport));
    return give(std::move(std::get<ip::TransportPacket>(in)));
  }
  bool give(ip::TransportPacket packet) {
    Pending pending;
    pending.place = forwarder.find(packet);
    if (pending.place.kind == Place::Kind::kForeign) return true;
    pending.packet = std::move(packet);
    bool back = false;
    forwarder.input({&pending, 1}, now, [&](ip::TransportPacket&, bool) { back = true; });
    return back;
  }
  bool tcp_from_client(uint16_t port, uint8_t flags, const std::string& data = "") {
    const Endpoint from{client.address, port};
    return arrive(0, from, vip, kTcp, segment(from, vip, flags, data));
  }
  bool tcp_from_pod(const Packet& answered, uint8_t flags, const std::string& data = "") {
    return arrive(1, answered.destination, answered.source, kTcp,
                  segment(answered.destination, answered.source, flags, data));
  }
  static Packet parse(const std::string& frame) {
    Packet p;
    ip::Ipv4 h;
    const buf::View bytes = buf::bytes_of(frame).subspan(ip::kEthernetSize);
    EXPECT_EQ(ip::Ipv4::parse(bytes, static_cast<uint32_t>(bytes.size()), true, h),
              ip::Ipv4::Error::kNone);
    const buf::View transport = bytes.subspan(h.header_size);
    p.source = {h.source, load_be16(transport.data())};
    p.destination = {h.destination, load_be16(transport.data() + 2)};
    p.protocol = h.protocol;
    p.ttl = h.ttl;
    p.intact = ip::checksum_l4(h.source, h.destination, h.protocol, transport) == 0;
    const size_t header = h.protocol == kTcp ? 20 : 8;
    if (h.protocol == kTcp) p.flags = transport[13];
    p.data = buf::text_of(transport.subspan(header));
    return p;
  }
  // The IP packets that left, without ARP.
  static std::vector<std::string> sent(ip::TestLink& link) {
    auto frames = link.take();
    std::erase_if(frames, [](const std::string& f) {
      return load_be16(ip::raw(f, 12)) != ip::kEtherIpv4;
    });
    return frames;
  }
  static Packet only(ip::TestLink& link) {
    const auto frames = sent(link);
    EXPECT_EQ(frames.size(), 1u);
    return frames.empty() ? Packet{} : parse(frames[0]);
  }
  // A connection of the client's port that is established; its SYN as the pod saw it.
  Packet connect(uint16_t port) {
    tcp_from_client(port, kSyn);
    const Packet syn = only(south);
    tcp_from_pod(syn, kSyn | kAck);
    tcp_from_client(port, kAck);
    take_sent();
    return syn;
  }

  Endpoint client = *Endpoint::parse("198.18.0.1:40000");
  Endpoint vip = *Endpoint::parse("198.18.0.10:80");
  config::Snapshot snapshot;
  stats::Worker counters;
  Forwarder forwarder{{.host = host,
                       .wheel = wheel,
                       .stats = counters,
                       .sources = {{addr("198.18.0.2")}, {addr("198.18.1.1")}},
                       .flows = 32,
                       .secret = {1, 2},
                       .seed = 3}};
};

TEST_F(Forwarding,
       a_connection_reaches_a_pod_from_an_address_of_our_own_and_its_answers_come_back) {
  EXPECT_FALSE(tcp_from_client(40'000, kSyn, "fast open"));
  const Packet syn = only(south);
  EXPECT_EQ(syn.source.address, addr("198.18.1.1"));
  EXPECT_GE(syn.source.port, Registry::kFirstSourcePort);
  EXPECT_LE(syn.source.port, Registry::kLastSourcePort);
  EXPECT_EQ(syn.destination.port, 8080);
  EXPECT_EQ(syn.flags, kSyn);
  EXPECT_EQ(syn.ttl, 63);
  EXPECT_EQ(syn.data, "fast open");
  EXPECT_TRUE(syn.intact);
  EXPECT_FALSE(tcp_from_pod(syn, kSyn | kAck, "hello"));
  const Packet answer = only(north);
  EXPECT_TRUE(answer.source == vip);
  EXPECT_TRUE(answer.destination == client);
  EXPECT_EQ(answer.data, "hello");
  EXPECT_TRUE(answer.intact);
  EXPECT_EQ(counters.l4.to_pods.get(), 1u);
  EXPECT_EQ(counters.l4.to_clients.get(), 1u);
  EXPECT_EQ(counters.listener(0).active_connections.get(), 1u);
}

TEST_F(Forwarding, every_packet_of_a_connection_goes_to_the_same_pod) {
  std::map<uint16_t, Endpoint> pods;
  for (uint16_t p = 40'000; p < 40'020; ++p) pods[p] = connect(p).destination;
  std::set<Endpoint> used;
  for (const auto& [port, to] : pods) {
    tcp_from_client(port, kAck | kPsh, "data");
    EXPECT_TRUE(only(south).destination == to);
    used.insert(to);
  }
  EXPECT_GT(used.size(), 1u);
}

TEST_F(Forwarding, datagrams_and_their_answers_are_translated) {
  const Endpoint dns{vip.address, 53};
  arrive(0, client, dns, kUdp, datagram(client, dns, "question"));
  const Packet question = only(south);
  EXPECT_EQ(question.data, "question");
  EXPECT_TRUE(question.intact);
  arrive(1, question.destination, question.source, kUdp,
         datagram(question.destination, question.source, "answer"));
  const Packet answer = only(north);
  EXPECT_TRUE(answer.source == dns);
  EXPECT_TRUE(answer.destination == client);
  EXPECT_EQ(answer.data, "answer");
}

TEST_F(Forwarding, damage_on_the_way_stays_visible) {
  std::string s = segment(client, vip, kSyn, "data");
  s[21] ^= 1;
  arrive(0, client, vip, kTcp, s);
  EXPECT_FALSE(only(south).intact);
}

TEST_F(Forwarding, a_partial_checksum_is_filled) {
  auto in = hear(0, ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.10", kTcp,
                         segment(client, vip, kSyn, "data")));
  auto& packet = std::get<ip::TransportPacket>(in);
  store_be16(packet.payload.front().mutable_data() + 16, 0x1234);
  packet.checksum = ip::L4Checksum::kNone;
  give(std::move(packet));
  EXPECT_TRUE(only(south).intact);
}

TEST_F(Forwarding, a_packet_longer_than_the_mtu_leaves_only_as_segments) {
  connect(40'000);
  const auto long_packet = [&](uint16_t segment_size) {
    auto in = hear(0, ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.10", kTcp,
                           segment(client, vip, kAck, std::string(1990, 'x'))));
    auto& packet = std::get<ip::TransportPacket>(in);
    packet.checksum = ip::L4Checksum::kGood;
    packet.segment_size = segment_size;
    give(std::move(packet));
    return sent(south);
  };
  EXPECT_TRUE(long_packet(0).empty());
  EXPECT_EQ(counters.l4.too_long.get(), 1u);
  const auto cut = long_packet(1000);  // this port takes no long packets at all
  ASSERT_EQ(cut.size(), 2u);
  EXPECT_EQ(parse(cut[0]).data.size(), 1000u);
  EXPECT_EQ(parse(cut[1]).data.size(), 990u);
  EXPECT_TRUE(parse(cut[0]).intact);
  EXPECT_TRUE(parse(cut[1]).intact);
}

TEST_F(Forwarding, tcp_answers_for_segments_of_no_flow_and_for_services_without_pods) {
  EXPECT_TRUE(tcp_from_client(40'000, kAck));
  EXPECT_EQ(counters.l4.no_flow.get(), 1u);
  snapshot.services[0].pods.clear();
  forwarder.adopt(snapshot);
  EXPECT_TRUE(tcp_from_client(40'000, kSyn));
  EXPECT_EQ(counters.l4.refused_no_pod.get(), 1u);
}

TEST_F(Forwarding, other_endpoints_are_not_its_own) {
  const Endpoint other{vip.address, 81};
  EXPECT_TRUE(arrive(0, client, other, kTcp, segment(client, other, kSyn)));
  EXPECT_TRUE(sent(south).empty());
}

TEST_F(Forwarding, flows_of_a_pod_or_a_listener_that_left_go_on) {
  const Packet syn = connect(40'000);
  auto& pods = snapshot.services[0].pods;
  std::erase_if(pods, [&](const config::Pod& p) { return p.endpoint == syn.destination; });
  forwarder.adopt(snapshot);
  tcp_from_client(40'000, kAck, "data");
  EXPECT_TRUE(only(south).destination == syn.destination);
  snapshot.listeners.clear();
  forwarder.adopt(snapshot);
  tcp_from_client(40'000, kAck, "data");
  EXPECT_TRUE(only(south).destination == syn.destination);
  EXPECT_EQ(forwarder.vips(), std::vector<Address>{vip.address});
  tcp_from_client(40'001, kSyn);
  EXPECT_TRUE(sent(south).empty());
  tcp_from_client(40'000, kRst);
  advance(snapshot.flow_timeouts.closing + 1s);
  for (int i = 0; i < 600; ++i) advance(20ms);
  EXPECT_EQ(forwarder.flows(), 0u);
  EXPECT_TRUE(forwarder.vips_changed());
  EXPECT_TRUE(forwarder.vips().empty());
  EXPECT_FALSE(forwarder.active());
}

TEST_F(Forwarding, a_client_that_uses_its_port_again_gets_a_new_flow) {
  connect(40'000);
  tcp_from_client(40'000, kRst);
  take_sent();
  tcp_from_client(40'000, kSyn);
  EXPECT_EQ(only(south).flags, kSyn);
  EXPECT_EQ(counters.l4.flows_begun.get(), 2u);
  EXPECT_EQ(forwarder.flows(), 1u);
}

TEST_F(Forwarding, a_flood_displaces_half_open_flows_and_no_others) {
  for (uint16_t p = 1; p <= 16; ++p) connect(p);
  for (uint16_t p = 1000; p < 1200; ++p) tcp_from_client(p, kSyn);
  take_sent();
  EXPECT_EQ(forwarder.flows(), 32u);
  EXPECT_EQ(counters.l4.evicted.get(), 0u);
  EXPECT_EQ(counters.l4.evicted_half_open.get(), 200u - 16u);
  for (uint16_t p = 1; p <= 16; ++p) {
    tcp_from_client(p, kAck, "still there");
    EXPECT_EQ(only(south).data, "still there");
  }
}

TEST_F(Forwarding, new_flows_beyond_the_limits_are_refused_and_counted) {
  snapshot.listeners[0].l4.new_flows_per_source = 5;
  forwarder.adopt(snapshot);
  for (uint16_t p = 1; p <= 10; ++p) EXPECT_FALSE(tcp_from_client(p, kSyn));
  EXPECT_EQ(sent(south).size(), 5u);
  EXPECT_EQ(counters.l4.refused_source.get(), 5u);
  snapshot.listeners[0].l4 = {.new_flows = 3};
  forwarder.adopt(snapshot);
  for (uint16_t p = 11; p <= 20; ++p) tcp_from_client(p, kSyn);
  EXPECT_EQ(sent(south).size(), 3u);
  EXPECT_EQ(counters.l4.refused_rate.get(), 7u);
}

TEST_F(Forwarding, a_packet_whose_ttl_ends_here_is_dropped) {
  auto in = hear(
      0, ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.10", kTcp, segment(client, vip, kSyn)));
  auto& packet = std::get<ip::TransportPacket>(in);
  packet.ttl = 1;
  give(std::move(packet));
  EXPECT_TRUE(sent(south).empty());
  EXPECT_EQ(counters.l4.ttl_expired.get(), 1u);
}

TEST_F(Forwarding, a_header_that_is_not_whole_is_dropped) {
  arrive(0, client, vip, kTcp, segment(client, vip, kSyn).substr(0, 12));
  EXPECT_EQ(counters.l4.malformed.get(), 1u);
}

}  // namespace
}  // namespace sluice::l4
