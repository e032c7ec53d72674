#include "base/random.h"
#include "fixture.h"
#include "support/chains.h"

namespace sluice::ip {
namespace {

using stats::Drop;

TEST(Checksum, agrees_with_the_plain_sum_at_every_length_and_offset) {
  Random random(1);
  std::array<uint8_t, 400> bytes;  // of which vector registers take blocks of 64
  for (uint8_t& b : bytes) b = random.next() % 4 == 0 ? static_cast<uint8_t>(random.next()) : 0xff;
  for (size_t offset = 0; offset < 8; ++offset) {
    for (size_t n = 0; n + offset <= bytes.size(); ++n) {
      uint32_t sum = 0;
      for (size_t i = 0; i < n; ++i)
        sum += i % 2 == 0 ? uint32_t{bytes[offset + i]} << 8 : bytes[offset + i];
      while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
      EXPECT_EQ(checksum({bytes.data() + offset, n}), static_cast<uint16_t>(~sum)) << n;
    }
  }
}

TEST_F(HostTest, a_tcp_segment_is_handed_up_without_headers_and_padding) {
  const std::string segment = tcp("198.18.0.1", "198.18.0.10", "data");
  std::string frame = ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.10", 6, segment);
  frame.resize(frame.size() + 17, '\xee');  // Ethernet padding
  const Input in = hear(0, frame);
  ASSERT_TRUE(handed_up(in));
  const auto& p = std::get<TransportPacket>(in);
  EXPECT_EQ(p.source, addr("198.18.0.1"));
  EXPECT_EQ(p.destination, addr("198.18.0.10"));
  EXPECT_EQ(p.protocol, 6);
  EXPECT_EQ(p.ports, (Ports{40'000, 50'051}));
  EXPECT_EQ(p.checksum, L4Checksum::kUnknown);
  EXPECT_EQ(buf::text_of(p.payload.view()), segment);
}

TEST_F(HostTest, every_transport_protocol_is_handed_up_with_the_ports_that_it_has) {
  const auto packet = [&](uint8_t protocol, const std::string& payload) {
    const Input in =
        hear(0, ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.10", protocol, payload));
    EXPECT_TRUE(handed_up(in));
    const auto& p = std::get<TransportPacket>(in);
    EXPECT_EQ(p.protocol, protocol);
    EXPECT_EQ(buf::text_of(p.payload.view()), payload);
    return p.ports;
  };
  const std::string udp("\x9c\x40\x00\x35\x00\x0b\x00\x00", 8);
  EXPECT_EQ(packet(17, udp + "ask"), (Ports{40'000, 53}));
  EXPECT_EQ(packet(17, udp.substr(0, 3)), std::nullopt);
  EXPECT_EQ(packet(47, udp), std::nullopt);
  EXPECT_EQ(packet(6, ""), std::nullopt);
}

TEST_F(HostTest, a_packet_in_several_buffers_is_handed_up_as_such) {
  const std::string segment = tcp("198.18.0.1", "198.18.0.10", std::string(5000, 'd'));
  std::string frame = ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.10", 6, segment);
  frame.resize(frame.size() + 3, '\xee');
  for (const size_t size : {134, 135, 1000, 2047}) {
    Input in = host.input(0,
                          {.bytes = test::chain_of(pool->mempool(), buf::bytes_of(frame),
                                                   [size](size_t) { return size; }),
                           .segment_size = 1460},
                          now);
    ASSERT_TRUE(handed_up(in));
    auto& p = std::get<TransportPacket>(in);
    EXPECT_EQ(p.segment_size, 1460);
    EXPECT_TRUE(verify_checksum(p)) << size;  // of buffers with an odd length too
    std::string text;
    p.payload.for_each([&text](buf::View v) { text.append(v.begin(), v.end()); });
    EXPECT_EQ(text, segment);
  }
}

TEST_F(HostTest, a_packet_shorter_than_its_ip_header_says_is_dropped_however_many_buffers_it_has) {
  const std::string segment = tcp("198.18.0.1", "198.18.0.10", std::string(5000, 'd'));
  std::string frame = ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.10", 6, segment);
  frame.pop_back();
  const auto size = [](size_t) { return size_t{2000}; };
  const Input in =
      host.input(0, {.bytes = test::chain_of(pool->mempool(), buf::bytes_of(frame), size)}, now);
  EXPECT_EQ(dropped(in), "ip_total_length");
}

TEST_F(HostTest, an_echo_request_in_several_buffers_is_answered_whole) {
  std::string data;
  for (int i = 0; i < 4001; ++i) data.push_back(static_cast<char>(i * 7));
  hear(0, arp(Arp::Operation::kRequest, kClient, "198.18.0.1", "198.18.0.10"));
  const std::string frame = ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.10", 1, echo(data));
  north.take();
  const auto odd = [](size_t) { return size_t{1001}; };
  host.input(0, {.bytes = test::chain_of(pool->mempool(), buf::bytes_of(frame), odd)}, now);
  ASSERT_FALSE(north.sent.empty());
  const std::string reply = north.sent.back().substr(kEthernetSize + kIpv4Size);
  EXPECT_EQ(reply.substr(8), data);
  EXPECT_EQ(checksum(buf::bytes_of(reply)), 0);
}

TEST_F(HostTest, tos_and_what_the_nic_says_of_the_checksum_are_handed_up) {
  std::string frame =
      ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.10", 6, tcp("198.18.0.1", "198.18.0.10"));
  auto* header = reinterpret_cast<uint8_t*>(frame.data()) + kEthernetSize;
  header[1] = 0xb9;
  store_be16(header + 10, 0);
  store_be16(header + 10, checksum({header, kIpv4Size}));
  frame[40] = 'x';  // its transport checksum is wrong now
  for (const L4Checksum said :
       {L4Checksum::kUnknown, L4Checksum::kBad, L4Checksum::kGood, L4Checksum::kNone}) {
    const Input in = host.input(0, {.bytes = pool.filled(frame), .checksum = said}, now);
    ASSERT_TRUE(handed_up(in));
    EXPECT_EQ(std::get<TransportPacket>(in).tos, 0xb9);
    EXPECT_EQ(std::get<TransportPacket>(in).checksum, said);
  }
}

TEST_F(HostTest, frames_for_others_are_dropped_by_reason) {
  const std::string good = tcp("198.18.0.1", "198.18.0.10");
  expect_drop(0, ipv4(kPod, kClient, "198.18.0.1", "198.18.0.10", 6, good), Drop::kNotOurMac);
  expect_drop(0, ipv4(kBroadcast, kClient, "198.18.0.1", "198.18.0.10", 6, good),
              Drop::kIpMulticast);
  expect_drop(0, ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.99", 6, good),
              Drop::kNotOurAddress);
  expect_drop(0, ipv4(north.own(), kClient, "127.0.0.1", "198.18.0.10", 6, good), Drop::kBadSource);
  expect_drop(0, ipv4(north.own(), kClient, "224.0.0.1", "198.18.0.10", 6, good), Drop::kBadSource);
  expect_drop(0, ethernet(north.own(), kClient, 0x88cc) + "lldp", Drop::kUnknownEtherType);
  expect_drop(0, ethernet(north.own(), kClient, kEtherIpv6) + "six", Drop::kIpv6);
}

// From the clients' side nobody speaks to a connection to a pod, whatever addresses he forges.
TEST_F(HostTest, what_belongs_to_another_port_is_dropped) {
  const auto to = [&](const Mac& mac, const char* target) {
    return ipv4(mac, kClient, "198.18.0.1", target, 6, tcp("198.18.0.1", target));
  };
  expect_drop(0, to(north.own(), "198.18.1.1"), Drop::kWrongPort);
  expect_drop(1, to(south.own(), "198.18.0.2"), Drop::kWrongPort);
  expect_drop(1, to(south.own(), "198.18.0.10"), Drop::kWrongPort);
  EXPECT_TRUE(handed_up(hear(1, to(south.own(), "198.18.1.1"))));
  EXPECT_TRUE(handed_up(hear(0, to(north.own(), "198.18.0.10"))));
  // A VIP in nobody's network is answered for on all ports; one that left, on none.
  host.set_vips({addr("203.0.113.1")});
  EXPECT_TRUE(handed_up(hear(0, to(north.own(), "203.0.113.1"))));
  EXPECT_TRUE(handed_up(hear(1, to(south.own(), "203.0.113.1"))));
  expect_drop(0, to(north.own(), "198.18.0.10"), Drop::kNotOurAddress);
}

TEST_F(HostTest, damage_is_dropped_by_reason) {
  const std::string good =
      ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.10", 6, tcp("198.18.0.1", "198.18.0.10"));
  const auto with = [&](size_t at, uint8_t value) {
    std::string f = good;
    f[at] = static_cast<char>(value);
    return f;
  };
  expect_drop(0, with(14, 0x65), Drop::kIpVersion);
  expect_drop(0, with(14, 0x44), Drop::kIpHeaderLength);
  expect_drop(0, with(14, 0x4f), Drop::kIpHeaderLength);
  expect_drop(0, with(16, 0xff), Drop::kIpTotalLength);
  expect_drop(0, with(17, 10), Drop::kIpTotalLength);
  expect_drop(0, with(22, 63), Drop::kIpChecksum);
  std::string fragment = good;
  fragment[20] = 0x20;
  auto* p = reinterpret_cast<uint8_t*>(fragment.data());
  store_be16(p + 24, 0);
  store_be16(p + 24, checksum({p + 14, 20}));
  expect_drop(0, fragment, Drop::kFragment);
}

TEST_F(HostTest, every_truncation_of_a_frame_ends_as_a_drop) {
  const std::string frames[] = {
      ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.10", 6,
           tcp("198.18.0.1", "198.18.0.10", "some data")),
      ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.10", 1, echo("ping")),
      arp(Arp::Operation::kRequest, kClient, "198.18.0.1", "198.18.0.10"),
  };
  for (const std::string& whole : frames) {
    EXPECT_EQ(dropped(hear(0, whole)), "kept");
    for (size_t n = 0; n < whole.size(); ++n)
      EXPECT_NE(dropped(hear(0, whole.substr(0, n))), "kept") << n;
  }
}

TEST_F(HostTest, random_bytes_and_random_damage_do_no_harm) {
  Random random(2);
  const std::string good =
      ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.10", 1, echo("ping ping ping"));
  for (int i = 0; i < 50'000; ++i) {
    std::string f = good;
    for (uint64_t k = random.below(6) + 1; k > 0; --k)
      f[random.below(f.size())] = static_cast<char>(random.next());
    f.resize(random.below(f.size() + 20));
    hear(static_cast<unsigned>(random.below(2)), f);
    north.take();
    south.take();
  }
  EXPECT_LE(host.neighbours(), 2 * Neighbours::kMaxEntries);
}

TEST_F(HostTest, echo_requests_to_a_vip_are_answered_with_their_data) {
  hear(0, arp(Arp::Operation::kRequest, kClient, "198.18.0.1", "198.18.0.10"));
  for (const std::string& data : {std::string(), std::string("odd"), std::string(1400, 'x')}) {
    north.take();
    hear(0, ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.10", 1, echo(data)));
    ASSERT_FALSE(north.sent.empty());
    const std::string& reply = north.sent.back();
    EXPECT_EQ(Address::v4(raw(reply, 26)), addr("198.18.0.10"));
    EXPECT_EQ(Address::v4(raw(reply, 30)), addr("198.18.0.1"));
    EXPECT_EQ(reply[34], 0);
    EXPECT_EQ(checksum({raw(reply, 34), reply.size() - 34}), 0);
    EXPECT_EQ(reply.substr(42), data);
    EXPECT_EQ(reply.substr(38, 4), echo(data).substr(4, 4));
  }
}

TEST_F(HostTest, echo_answers_have_a_rate) {
  hear(0, arp(Arp::Operation::kRequest, kClient, "198.18.0.1", "198.18.0.10"));
  const std::string ping = ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.10", 1, echo("x"));
  for (uint64_t i = 0; i < Host::kEchoRate; ++i) EXPECT_TRUE(handled(hear(0, ping)));
  expect_drop(0, ping, Drop::kIcmpRateLimit);
  now += 1s;
  EXPECT_TRUE(handled(hear(0, ping)));
}

TEST_F(HostTest, an_icmp_error_is_handed_up_with_what_it_quotes) {
  const std::string quoted =
      ipv4(kClient, north.own(), "198.18.0.10", "198.18.0.1", 6, tcp("198.18.0.10", "198.18.0.1"))
          .substr(kEthernetSize);
  const auto error = [&](const std::string& quote) {
    std::string m = std::string("\x03\x04\0\0\0\0\x05\x00", 8) + quote;
    store_be16(reinterpret_cast<uint8_t*>(m.data()) + 2, checksum(buf::bytes_of(m)));
    return ipv4(north.own(), kClient, "198.18.0.1", "198.18.0.10", 1, m);
  };
  const Input in = hear(0, error(quoted));
  ASSERT_TRUE(std::holds_alternative<IcmpError>(in));
  const auto& e = std::get<IcmpError>(in);
  EXPECT_EQ(e.kind, IcmpError::Kind::kPacketTooBig);
  EXPECT_EQ(e.source, addr("198.18.0.1"));
  EXPECT_EQ(e.mtu, 0x500u);
  EXPECT_EQ(e.quoted.source, addr("198.18.0.10"));
  EXPECT_EQ(e.quoted.destination, addr("198.18.0.1"));
  EXPECT_EQ(e.quoted.ports, (Ports{40'000, 50'051}));
  EXPECT_EQ(buf::text_of(e.message.view().subspan(8)), quoted);
  expect_drop(0, error("no packet"), Drop::kIcmpUnmatched);
}

}  // namespace
}  // namespace sluice::ip
