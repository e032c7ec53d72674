// IPv6: headers, neighbour discovery, ICMPv6. North 2001:db8::2/64 with the VIP 2001:db8::10,
// south 2001:db8:1::1/64 with a route to 2001:db8:f::/48 via 2001:db8:1::fe.

#include "ip/ipv6.h"
#include "base/random.h"
#include "fixture.h"
#include "ip/icmp.h"
#include "ip/ndp.h"

namespace sluice::ip {
namespace {

using stats::Drop;

constexpr const char* kClientAddress = "2001:db8::1";
constexpr const char* kVip = "2001:db8::10";
constexpr uint8_t kTcp = 6;
constexpr uint8_t kIcmp6 = 58;

class Ipv6Test : public HostTest {
 protected:
  Ipv6Test() {
    v6host.set_vips({addr(kVip)});
    north.take();
    south.take();
  }

  static std::string packet(const char* source, const char* target, uint8_t protocol,
                            const std::string& payload, uint8_t hop_limit = 64) {
    std::string h(kIpv6Size, 0);
    auto* p = reinterpret_cast<uint8_t*>(h.data());
    p[0] = 0x60;
    store_be16(p + 4, static_cast<uint16_t>(payload.size()));
    p[6] = protocol;
    p[7] = hop_limit;
    std::memcpy(p + 8, addr(source).bytes.data(), 16);
    std::memcpy(p + 24, addr(target).bytes.data(), 16);
    return h + payload;
  }
  static std::string frame(const Mac& to, const std::string& ip_packet, const Mac& from = kClient) {
    return ethernet(to, from, kEtherIpv6) + ip_packet;
  }
  static std::string summed(const char* source, const char* target, std::string message) {
    store_be16(reinterpret_cast<uint8_t*>(message.data()) + 2,
               checksum_l4(addr(source), addr(target), kIcmp6, buf::bytes_of(message)));
    return message;
  }
  static std::string echo6(const char* source, const char* target, const std::string& data) {
    return summed(source, target, std::string("\x80\0\0\0\x12\x34\0\x01", 8) + data);
  }
  // The whole frame of a neighbour discovery message.
  static std::string ndp(const Ndp& n, const char* source, const char* target, const Mac& to,
                         uint8_t hop_limit = 255) {
    std::string m(kNdpSize, 0);
    n.emit(reinterpret_cast<uint8_t*>(m.data()));
    if (!n.link_address) m.resize(24);
    return frame(to, packet(source, target, kIcmp6, summed(source, target, m), hop_limit));
  }
  static std::string question(const char* target, std::optional<Mac> from = kClient,
                              const char* source = kClientAddress) {
    const Address group = solicited_node(addr(target));
    return ndp({kNdpSolicitation, addr(target), from, false, false}, source, group.str().c_str(),
               multicast_mac(group));
  }

  Input hear(unsigned port, const std::string& f) {
    return v6host.input(port, {.bytes = pool.filled(f)}, now);
  }
  void expect_drop(const std::string& f, Drop reason) {
    EXPECT_EQ(dropped(hear(0, f)), stats::name_of(reason));
  }
  Sent send(const char* to) {
    header = std::string(20, 'h');
    store_be16(reinterpret_cast<uint8_t*>(header.data()) + 16, 0);
    const std::array<buf::Fragment, 2> pieces{buf::bytes_of(first), buf::bytes_of(second)};
    OutPacket p;
    p.source = addr("2001:db8:1::1");
    p.destination = addr(to);
    p.header = buf::bytes_of(header);
    p.checksum_offset = 16;
    p.payload = pieces;
    p.payload_size = static_cast<uint32_t>(first.size() + second.size());
    return v6host.send(p, now);
  }
  static Ndp ndp_of(const std::string& f) {
    EXPECT_GE(f.size(), 14u + kIpv6Size + kNdpSize);
    EXPECT_EQ(load_be16(raw(f, 12)), kEtherIpv6);
    EXPECT_EQ(raw(f, 14)[7], 255);
    EXPECT_EQ(checksum_l4(v6(raw(f, 22)), v6(raw(f, 38)), kIcmp6, {raw(f, 54), f.size() - 54}), 0);
    const auto n = Ndp::parse({raw(f, 54), f.size() - 54});
    EXPECT_TRUE(n);
    return n.value_or(Ndp{});
  }

  std::array<PortAddresses, 2> v6ports{
      PortAddresses{{*Prefix::parse("2001:db8::2/64")}, {}},
      PortAddresses{{*Prefix::parse("2001:db8:1::1/64")},
                    {Route{*Prefix::parse("2001:db8:f::/48"), addr("2001:db8:1::fe"), 0}}}};
  Host v6host{links, v6ports, memory, wheel};
};

TEST_F(Ipv6Test, a_tcp_segment_is_handed_up_without_headers_and_padding) {
  const std::string segment = tcp(kClientAddress, kVip, "data");
  std::string f = frame(north.own(), packet(kClientAddress, kVip, kTcp, segment));
  f.resize(f.size() + 9, '\xee');
  const Input in = hear(0, f);
  ASSERT_TRUE(handed_up(in));
  const auto& p = std::get<TransportPacket>(in);
  EXPECT_EQ(p.source, addr(kClientAddress));
  EXPECT_EQ(p.destination, addr(kVip));
  EXPECT_EQ(p.ports, (Ports{40'000, 50'051}));
  EXPECT_EQ(buf::text_of(p.payload.view()), segment);
}

TEST_F(Ipv6Test, extension_headers_are_looked_through) {
  const std::string segment = tcp(kClientAddress, kVip, "data");
  const std::string hop(std::string("\x3c\0\x05\x02\0\0\x01\0", 8));        // router alert, PadN
  const std::string destination(std::string("\x2c\0\x01\x04\0\0\0\0", 8));  // PadN
  const std::string atomic(std::string("\x06\0\0\0\x12\x34\x56\x78", 8));   // RFC 6946
  const Input in = hear(
      0, frame(north.own(), packet(kClientAddress, kVip, 0, hop + destination + atomic + segment)));
  ASSERT_TRUE(handed_up(in));
  EXPECT_EQ(std::get<TransportPacket>(in).protocol, kTcp);
  EXPECT_EQ(buf::text_of(std::get<TransportPacket>(in).payload.view()), segment);
}

TEST_F(Ipv6Test, damage_and_strangers_are_dropped_by_reason) {
  const std::string segment = tcp(kClientAddress, kVip);
  const std::string good = frame(north.own(), packet(kClientAddress, kVip, kTcp, segment));
  const auto with = [&](size_t at, uint8_t value) {
    std::string f = good;
    f[at] = static_cast<char>(value);
    return f;
  };
  ASSERT_TRUE(handed_up(hear(0, good)));
  expect_drop(good.substr(0, 40), Drop::kIpShort);
  expect_drop(with(14, 0x40), Drop::kIpVersion);
  expect_drop(with(18, 0xff), Drop::kIpTotalLength);
  const auto other = [&](const char* from, const char* to, uint8_t protocol, const std::string& p) {
    return frame(north.own(), packet(from, to, protocol, p));
  };
  expect_drop(other(kClientAddress, "2001:db8::99", kTcp, segment), Drop::kNotOurAddress);
  expect_drop(other("::1", kVip, kTcp, segment), Drop::kBadSource);
  expect_drop(other("::", kVip, kTcp, segment), Drop::kBadSource);
  expect_drop(other("ff02::1", kVip, kTcp, segment), Drop::kBadSource);
  // An IPv4 address in disguise is not the IPv4 host.
  expect_drop(other("::ffff:198.18.0.1", kVip, kTcp, segment), Drop::kBadSource);
  const std::string part("\x06\0\0\x09\x12\x34\x56\x78", 8);
  expect_drop(other(kClientAddress, kVip, 44, part + segment), Drop::kFragment);
  const std::string source_route("\x06\0\0\x01\0\0\0\0", 8);
  expect_drop(other(kClientAddress, kVip, 43, source_route + segment), Drop::kIpv6Option);
  const std::string must_know("\x06\0\xc2\x04\0\0\0\0", 8);
  expect_drop(other(kClientAddress, kVip, 60, must_know + segment), Drop::kIpv6Option);
  const std::string beyond("\x06\x40\x01\x04\0\0\0\0", 8);
  expect_drop(other(kClientAddress, kVip, 60, beyond + segment), Drop::kIpHeaderLength);
  std::string chain;
  for (int i = 0; i < 9; ++i) chain += std::string("\x3c\0\x01\x04\0\0\0\0", 8);
  expect_drop(other(kClientAddress, kVip, 60, chain + segment), Drop::kIpv6Option);
}

TEST_F(Ipv6Test, a_port_without_an_ipv6_address_hears_none) {
  const Input in =
      host.input(0,
                 {.bytes = pool.filled(frame(
                      north.own(), packet(kClientAddress, kVip, kTcp, tcp(kClientAddress, kVip))))},
                 now);
  EXPECT_EQ(dropped(in), "ipv6");
}

TEST_F(Ipv6Test, answers_solicitations_for_its_address_the_vip_and_its_link_local_one) {
  for (const std::string& target :
       {std::string("2001:db8::2"), std::string(kVip), link_local(north.own().data()).str()}) {
    hear(0, question(target.c_str()));
    ASSERT_EQ(north.sent.size(), 1u) << target;
    const Ndp answer = ndp_of(north.sent[0]);
    EXPECT_EQ(answer.type, kNdpAdvertisement);
    EXPECT_EQ(answer.target, addr(target.c_str()));
    EXPECT_EQ(answer.link_address, north.own());
    EXPECT_TRUE(answer.solicited);
    EXPECT_EQ(std::memcmp(raw(north.sent[0]), kClient.data(), 6), 0);
    EXPECT_EQ(v6(raw(north.sent[0], 38)), addr(kClientAddress));
    north.take();
  }
  hear(0, question("2001:db8::77"));
  hear(1, question(kVip));
  EXPECT_TRUE(north.sent.empty());
  EXPECT_TRUE(south.sent.empty());
}

TEST_F(Ipv6Test, tells_all_when_somebody_wants_one_of_its_addresses) {
  hear(0, question(kVip, std::nullopt, "::"));
  ASSERT_EQ(north.sent.size(), 1u);
  EXPECT_EQ(v6(raw(north.sent[0], 38)), all_nodes());
  EXPECT_FALSE(ndp_of(north.sent[0]).solicited);
}

TEST_F(Ipv6Test, discovery_from_beyond_the_link_or_malformed_is_dropped) {
  const Ndp n{kNdpSolicitation, addr(kVip), kClient, false, false};
  const Address group = solicited_node(addr(kVip));
  const std::string to = group.str();
  expect_drop(ndp(n, kClientAddress, to.c_str(), multicast_mac(group), 254), Drop::kNdpMalformed);
  std::string cut(kNdpSize, 0);
  n.emit(reinterpret_cast<uint8_t*>(cut.data()));
  cut[25] = 0;  // an option of no length
  expect_drop(frame(multicast_mac(group), packet(kClientAddress, to.c_str(), kIcmp6,
                                                 summed(kClientAddress, to.c_str(), cut), 255)),
              Drop::kNdpMalformed);
  cut[25] = 2;  // beyond the message
  expect_drop(frame(multicast_mac(group), packet(kClientAddress, to.c_str(), kIcmp6,
                                                 summed(kClientAddress, to.c_str(), cut), 255)),
              Drop::kNdpMalformed);
  EXPECT_TRUE(north.sent.empty());
}

TEST_F(Ipv6Test, what_is_sent_waits_for_the_neighbour_and_then_leaves_whole) {
  EXPECT_EQ(send("2001:db8:f::7"), Sent::kYes);
  ASSERT_EQ(south.sent.size(), 1u);
  const Ndp asked = ndp_of(south.sent[0]);
  EXPECT_EQ(asked.type, kNdpSolicitation);
  EXPECT_EQ(asked.target, addr("2001:db8:1::fe"));
  EXPECT_EQ(std::memcmp(raw(south.sent[0]), multicast_mac(solicited_node(asked.target)).data(), 6),
            0);
  south.take();
  hear(1, ndp({kNdpAdvertisement, asked.target, kPod, true, true}, "2001:db8:1::fe",
              "2001:db8:1::1", south.own()));
  ASSERT_EQ(south.sent.size(), 1u);
  const std::string& f = south.sent[0];
  EXPECT_EQ(std::memcmp(raw(f), kPod.data(), 6), 0);
  EXPECT_EQ(load_be16(raw(f, 12)), kEtherIpv6);
  EXPECT_EQ(load_be16(raw(f, 18)), 20 + 9);
  EXPECT_EQ(checksum_l4(v6(raw(f, 22)), v6(raw(f, 38)), kTcp, {raw(f, 54), f.size() - 54}), 0);
  EXPECT_EQ(f.substr(74), "oddpieces");
  // The second one finds it known.
  EXPECT_EQ(send("2001:db8:f::7"), Sent::kYes);
  EXPECT_EQ(south.sent.size(), 2u);
}

TEST_F(Ipv6Test, an_answer_without_a_link_address_confirms_the_neighbour) {
  send("2001:db8:1::7");
  hear(1, ndp({kNdpAdvertisement, addr("2001:db8:1::7"), kPod, true, true}, "2001:db8:1::7",
              "2001:db8:1::1", south.own()));
  advance(Neighbours::kReachableTime + 1s);
  south.take();
  send("2001:db8:1::7");  // stale: asked again, by unicast
  ASSERT_EQ(south.sent.size(), 2u);
  EXPECT_EQ(std::memcmp(raw(south.sent[0]), kPod.data(), 6), 0);
  hear(1, ndp({kNdpAdvertisement, addr("2001:db8:1::7"), std::nullopt, true, false},
              "2001:db8:1::7", "2001:db8:1::1", south.own()));
  south.take();
  advance(2s);
  EXPECT_TRUE(south.sent.empty());  // not asked any more
  send("2001:db8:1::7");
  EXPECT_EQ(south.sent.size(), 1u);
}

TEST_F(Ipv6Test, an_advertisement_without_override_does_not_replace_a_neighbour) {
  send("2001:db8:1::7");
  hear(1, ndp({kNdpAdvertisement, addr("2001:db8:1::7"), kPod, true, true}, "2001:db8:1::7",
              "2001:db8:1::1", south.own()));
  hear(1, ndp({kNdpAdvertisement, addr("2001:db8:1::7"), kClient, true, false}, "2001:db8:1::7",
              "2001:db8:1::1", south.own()));
  south.take();
  send("2001:db8:1::7");
  EXPECT_EQ(std::memcmp(raw(south.sent.back()), kPod.data(), 6), 0);
}

// RFC 4861, 7.3.3: after unicast questions without an answer all are asked.
TEST_F(Ipv6Test, a_neighbour_with_a_new_mac_is_found_within_a_second_of_doubt) {
  const char* pod = "2001:db8:1::7";
  const auto answer = [&](const Mac& mac) {
    hear(1,
         ndp({kNdpAdvertisement, addr(pod), mac, true, true}, pod, "2001:db8:1::1", south.own()));
  };
  send(pod);
  answer(kPod);
  advance(1s);
  south.take();
  v6host.doubt(addr(pod), now);
  std::vector<Mac> asked;
  for (Duration took{}; took < 1s && asked.size() < 3; took += 50ms) {
    for (const std::string& f : south.take())
      std::memcpy(asked.emplace_back().data(), raw(f), sizeof(Mac));
    advance(50ms);
  }
  EXPECT_EQ(asked, (std::vector<Mac>{kPod, kPod, multicast_mac(solicited_node(addr(pod)))}));
  answer(kClient);
  south.take();
  send(pod);
  EXPECT_EQ(std::memcmp(raw(south.sent.back()), kClient.data(), 6), 0);
}

TEST_F(Ipv6Test, nobody_takes_over_an_address_of_ours) {
  hear(0, ndp({kNdpAdvertisement, addr(kVip), kPod, false, true}, kVip, "ff02::1",
              multicast_mac(all_nodes())));
  hear(0, question("2001:db8::2", kPod, kVip));
  EXPECT_EQ(v6host.neighbours(), 0u);
}

TEST_F(Ipv6Test, an_echo_is_answered_with_its_data) {
  hear(0, question(kVip));
  north.take();
  hear(0, frame(north.own(),
                packet(kClientAddress, kVip, kIcmp6, echo6(kClientAddress, kVip, "ping6"))));
  ASSERT_EQ(north.sent.size(), 2u);  // and a probe: who asked has not proved where it is
  const std::string& f = north.sent[1];
  EXPECT_EQ(raw(f, 54)[0], icmp6::kEchoReply);
  EXPECT_EQ(f.substr(62), "ping6");
  EXPECT_EQ(checksum_l4(v6(raw(f, 22)), v6(raw(f, 38)), kIcmp6, {raw(f, 54), f.size() - 54}), 0);
  expect_drop(frame(north.own(), packet(kClientAddress, kVip, kIcmp6,
                                        echo6(kClientAddress, "2001:db8::2", "ping6"))),
              Drop::kIcmpChecksum);
}

TEST_F(Ipv6Test, packet_too_big_is_handed_up_with_its_mtu) {
  const std::string quoted = packet(kVip, kClientAddress, kTcp, tcp(kVip, kClientAddress));
  const std::string message =
      summed(kClientAddress, kVip, std::string("\x02\0\0\0\0\0\x05\x14", 8) + quoted);
  const Input in = hear(0, frame(north.own(), packet(kClientAddress, kVip, kIcmp6, message)));
  ASSERT_TRUE(std::holds_alternative<IcmpError>(in));
  const auto& e = std::get<IcmpError>(in);
  EXPECT_EQ(e.kind, IcmpError::Kind::kPacketTooBig);
  EXPECT_EQ(e.mtu, 1300u);
  EXPECT_EQ(e.quoted.source, addr(kVip));
  EXPECT_EQ(e.quoted.ports, (Ports{40'000, 50'051}));
  EXPECT_EQ(buf::text_of(e.message.view().subspan(8)), quoted);
}

TEST_F(Ipv6Test, segments_are_twenty_bytes_shorter_than_over_ipv4) {
  EXPECT_EQ(v6host.max_segment(addr(kClientAddress)), 1460u);
  EXPECT_EQ(*v6host.source_for(addr(kClientAddress)), addr("2001:db8::2"));
  EXPECT_EQ(v6host.max_segment(addr("198.18.0.1")), 0u);
}

TEST_F(Ipv6Test, new_addresses_are_announced_to_all) {
  v6host.announce();
  std::vector<Address> told;
  for (const std::string& f : north.take()) {
    EXPECT_EQ(std::memcmp(raw(f), multicast_mac(all_nodes()).data(), 6), 0);
    told.push_back(ndp_of(f).target);
  }
  EXPECT_EQ(told, (std::vector<Address>{addr("2001:db8::2"), addr(kVip)}));
}

TEST_F(Ipv6Test, an_ipv4_address_in_disguise_is_nobodys_destination) {
  std::array<PortAddresses, 1> both{
      PortAddresses{{*Prefix::parse("2001:db8::2/64"), *Prefix::parse("198.18.0.2/24")}, {}}};
  Host dual{std::span(links).first(1), both, memory, wheel};
  dual.set_vips({addr("198.18.0.10")});
  const char* disguised = "::ffff:198.18.0.10";
  const Input in = dual.input(
      0,
      {.bytes = pool.filled(frame(
           north.own(), packet(kClientAddress, disguised, kTcp, tcp(kClientAddress, disguised))))},
      now);
  EXPECT_EQ(dropped(in), "not_our_address");
}

TEST_F(Ipv6Test, a_multicast_frame_carries_no_unicast_packet) {
  expect_drop(frame(multicast_mac(all_nodes()),
                    packet(kClientAddress, kVip, kTcp, tcp(kClientAddress, kVip))),
              Drop::kIpMulticast);
}

TEST_F(Ipv6Test, a_solicited_advertisement_to_all_proves_nothing) {
  expect_drop(ndp({kNdpAdvertisement, addr(kClientAddress), kClient, true, true}, kClientAddress,
                  "ff02::1", multicast_mac(all_nodes())),
              Drop::kNdpMalformed);
}

TEST_F(Ipv6Test, random_extension_headers_never_leave_the_packet) {
  Random random(3);
  for (int i = 0; i < 100'000; ++i) {
    std::string p(kIpv6Size + random.below(120), 0);
    for (char& c : p) c = static_cast<char>(random.next());
    auto* b = reinterpret_cast<uint8_t*>(p.data());
    b[0] = 0x60;
    store_be16(b + 4, static_cast<uint16_t>(random.below(p.size() - kIpv6Size + 2)));
    constexpr std::array<uint8_t, 6> kKinds{0, 43, 44, 60, 6, 58};
    b[6] = kKinds[random.below(kKinds.size())];
    for (size_t at = kIpv6Size; at + 2 < p.size(); at += 8) {
      if (random.chance(0.8)) b[at] = kKinds[random.below(kKinds.size())];
      if (random.chance(0.8)) b[at + 1] = static_cast<uint8_t>(random.below(3));
    }
    Ipv6 h;
    if (Ipv6::parse(buf::bytes_of(p), static_cast<uint32_t>(p.size()), h) != Ipv6::Error::kNone)
      continue;
    ASSERT_LE(h.header_size, h.total_size);
    ASSERT_LE(h.total_size, p.size());
  }
}

}  // namespace
}  // namespace sluice::ip
