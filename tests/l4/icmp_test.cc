// ICMP errors about packets of flows, between each two versions of IP: translated to the other end,
// and sent by Sluice itself.

#include <gtest/gtest.h>

#include "fixture.h"
#include "ip/icmp.h"
#include "l4/icmp_error.h"

namespace sluice::l4 {
namespace {

struct Error {
  Address source, destination;
  ErrorType type;
  Packet quoted;
};

class IcmpErrors : public ForwarderTest, public testing::WithParamInterface<Families> {
 protected:
  IcmpErrors() : ForwarderTest(GetParam()) {}

  // An error of `router` about a packet that left `port`; whether the forwarder took it.
  bool error(unsigned port, const Address& router, const ErrorType& type, const Packet& about) {
    const bool v4 = router.is_v4();
    const std::string quote = frame_of(about, {}, {}).substr(ip::kEthernetSize);
    std::string message(8, 0);
    auto* m = reinterpret_cast<uint8_t*>(message.data());
    m[0] = type.type;
    m[1] = type.code;
    store_be32(m + 4, type.rest);
    message += quote;
    m = reinterpret_cast<uint8_t*>(message.data());
    store_be16(m + 2,
               v4 ? ip::checksum(buf::bytes_of(message))
                  : ip::checksum_l4(router, about.source.address, 58, buf::bytes_of(message)));
    ip::OutPacket out;
    out.source = router;
    out.destination = about.source.address;
    out.protocol = v4 ? ip::Protocol::kIcmp : ip::Protocol::kIcmp6;
    out.header = buf::bytes_of(message);
    std::string f(ip::kEthernetSize + (v4 ? ip::kIpv4Size : ip::kIpv6Size), 0);
    auto* b = reinterpret_cast<uint8_t*>(f.data());
    ip::emit_ethernet(b, port == kNorth ? north.own() : south.own(), kClient.data(),
                      v4 ? ip::kEtherIpv4 : ip::kEtherIpv6);
    if (v4) {
      ip::emit_ipv4(b + 14, out, static_cast<uint16_t>(ip::kIpv4Size + message.size()));
      store_be16(b + 24, ip::checksum({b + 14, ip::kIpv4Size}));
    } else {
      ip::emit_ipv6(b + 14, out);
    }
    auto in = dual.input(port, {.bytes = pool.filled(f + message)}, now);
    auto* e = std::get_if<ip::IcmpError>(&in);
    return e != nullptr && forwarder.input(*e, false, now);
  }
  // The errors that left, their checksums verified.
  static std::vector<Error> errors(ip::TestLink& link) {
    std::vector<Error> all;
    for (const std::string& f : link.take()) {
      const uint16_t ether = load_be16(ip::raw(f, 12));
      if (ether != ip::kEtherIpv4 && ether != ip::kEtherIpv6) continue;
      const bool v4 = ether == ip::kEtherIpv4;
      const size_t at = 14 + (v4 ? ip::kIpv4Size : ip::kIpv6Size);
      const uint8_t protocol = *ip::raw(f, v4 ? 23 : 20);
      const uint8_t* m = ip::raw(f, at);
      if (protocol != (v4 ? 1 : 58) || (!v4 && m[0] > 4)) continue;
      Error e;
      e.source = v4 ? Address::v4(ip::raw(f, 26)) : ip::v6(ip::raw(f, 22));
      e.destination = v4 ? Address::v4(ip::raw(f, 30)) : ip::v6(ip::raw(f, 38));
      const buf::View message(m, f.size() - at);
      EXPECT_EQ(v4 ? ip::checksum(message) : ip::checksum_l4(e.source, e.destination, 58, message),
                0);
      e.type = {m[0], m[1], load_be32(m + 4)};
      // A long packet is quoted in part.
      const size_t whole = v4 ? load_be16(m + 10) : ip::kIpv6Size + load_be16(m + 12);
      if (message.size() == 8 + whole) e.quoted = parse(f.substr(0, 14) + f.substr(at + 8));
      all.push_back(e);
    }
    return all;
  }
  void expect_error(ip::TestLink& link, const Address& from, const ErrorType& type, Packet about) {
    const auto all = errors(link);
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].source.str(), from.str());
    EXPECT_EQ(all[0].destination.str(), about.source.address.str());
    EXPECT_EQ(all[0].type, type);
    about.ttl = all[0].quoted.ttl;
    EXPECT_EQ(all[0].quoted, about);
  }
  Address pod_router() const {
    return ip::addr(families_.pod_v4 ? "198.18.1.254" : "2001:db8:1::fe");
  }
  Address client_router() const {
    return ip::addr(families_.client_v4 ? "198.18.0.254" : "2001:db8::fe");
  }
  // An MTU of one side, as the other side has to know it.
  static uint32_t mtu(uint32_t value, bool from_v4, bool to_v4) {
    if (from_v4 == to_v4) return value;
    return from_v4 ? value + 20 : value - 20;
  }
};

INSTANTIATE_TEST_SUITE_P(Families, IcmpErrors,
                         testing::Values(Families{true, true}, Families{false, false},
                                         Families{true, false}, Families{false, true}),
                         [](const auto& i) {
                           return std::string(i.param.client_v4 ? "Ipv4" : "Ipv6") + "Client" +
                                  (i.param.pod_v4 ? "Ipv4" : "Ipv6") + "Pod";
                         });

TEST_P(IcmpErrors, a_path_to_a_pod_that_takes_less_is_told_to_the_client) {
  connect(40'000);
  const Packet data = from_client(40'000, kAck, "data");
  arrive(kNorth, data);
  const Packet left = only(south);
  EXPECT_TRUE(error(kSouth, pod_router(), packet_too_big(families_.pod_v4, 1400), left));
  expect_error(
      north, vip.address,
      packet_too_big(families_.client_v4, mtu(1400, families_.pod_v4, families_.client_v4)), data);
  EXPECT_EQ(counters.l4.errors_translated.get(), 1u);
}

TEST_P(IcmpErrors, a_path_to_a_client_that_takes_less_is_told_to_the_pod) {
  const Packet syn = connect(40'000);
  const Packet answer = from_pod(syn, kAck, "answer");
  arrive(kSouth, answer);
  const Packet left = only(north);
  EXPECT_TRUE(error(kNorth, client_router(), packet_too_big(families_.client_v4, 1400), left));
  expect_error(south, own,
               packet_too_big(families_.pod_v4, mtu(1400, families_.client_v4, families_.pod_v4)),
               answer);
}

TEST_P(IcmpErrors, no_client_makes_the_segments_for_all_clients_tiny) {
  const Packet syn = connect(40'000);
  arrive(kSouth, from_pod(syn, kAck, "data"));
  const Packet left = only(north);
  EXPECT_TRUE(error(kNorth, client_router(), packet_too_big(families_.client_v4, 68), left));
  const auto told = errors(south);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_GE(told[0].type.rest, 1280u - 20);
}

TEST_P(IcmpErrors, a_port_of_a_pod_that_nobody_listens_at_is_told_to_the_client) {
  const Packet question{
      .source = client, .destination = {vip.address, 53}, .protocol = kUdp, .data = "question"};
  arrive(kNorth, question);
  const Packet left = only(south);
  const auto port_unreachable = [](bool v4) {
    return v4 ? ErrorType{3, 3, 0} : ErrorType{1, 4, 0};
  };
  EXPECT_TRUE(error(kSouth, left.destination.address, port_unreachable(families_.pod_v4), left));
  expect_error(north, vip.address, port_unreachable(families_.client_v4), question);
}

TEST_P(IcmpErrors, an_error_about_no_flow_is_not_the_forwarders) {
  Packet other = from_pod(from_client(40'000, kAck), kAck);
  EXPECT_FALSE(error(kNorth, client_router(), time_exceeded(families_.client_v4), other));
  other.source.port = 22;
  EXPECT_FALSE(error(kNorth, client_router(), time_exceeded(families_.client_v4), other));
  EXPECT_EQ(counters.l4.errors_translated.get(), 0u);
}

TEST_P(IcmpErrors, a_packet_that_is_too_long_is_answered_with_the_mtu) {
  const Packet syn = connect(40'000);
  const auto too_long = [&](unsigned port, const Packet& p) {
    auto packet = received(port, p);
    packet.checksum = ip::L4Checksum::kGood;
    give(std::move(packet));
  };
  too_long(kNorth, from_client(40'000, kAck, std::string(1950, 'x')));
  auto told = errors(north);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].type,
            packet_too_big(families_.client_v4, mtu(1500, families_.pod_v4, families_.client_v4)));
  EXPECT_EQ(told[0].source, vip.address);
  too_long(kSouth, from_pod(syn, kAck, std::string(1950, 'x')));
  told = errors(south);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].type,
            packet_too_big(families_.pod_v4, mtu(1500, families_.client_v4, families_.pod_v4)));
  EXPECT_EQ(told[0].source, own);
  EXPECT_EQ(counters.l4.too_long.get(), 2u);
  EXPECT_EQ(counters.l4.errors_sent.get(), 2u);
}

TEST_P(IcmpErrors, a_packet_whose_ttl_ends_here_is_answered) {
  Packet syn = from_client(40'000, kSyn, "data");
  syn.ttl = 1;
  arrive(kNorth, syn);
  expect_error(north, vip.address, time_exceeded(families_.client_v4), syn);
}

TEST_P(IcmpErrors, sluice_sends_a_bounded_number_of_errors_a_second) {
  Packet syn = from_client(40'000, kSyn);
  syn.ttl = 1;
  for (int i = 0; i < 3'000; ++i) {
    arrive(kNorth, syn);
    north.take();
  }
  EXPECT_LE(counters.l4.errors_sent.get(), 1'000u);
  EXPECT_GE(counters.l4.errors_limited.get(), 2'000u);
}

TEST(IcmpTypes, of_the_other_version_are_those_of_rfc_7915) {
  EXPECT_EQ(to_ipv6({3, 0, 0}), (ErrorType{1, 0, 0}));
  EXPECT_EQ(to_ipv6({3, 10, 0}), (ErrorType{1, 1, 0}));
  EXPECT_EQ(to_ipv6({3, 4, 1000}), (ErrorType{2, 0, 1280}));  // RFC 8200, 5: no link takes less
  EXPECT_EQ(to_ipv6({11, 1, 0}), (ErrorType{3, 1, 0}));
  EXPECT_EQ(to_ipv6({3, 2, 0}), std::nullopt);
  EXPECT_EQ(to_ipv6({12, 0, 0}), std::nullopt);
  EXPECT_EQ(to_ipv4({1, 1, 0}), (ErrorType{3, 10, 0}));
  EXPECT_EQ(to_ipv4({1, 3, 0}), (ErrorType{3, 1, 0}));
  EXPECT_EQ(to_ipv4({2, 0, 1500}), (ErrorType{3, 4, 1480}));
  EXPECT_EQ(to_ipv4({4, 1, 0}), std::nullopt);
}

}  // namespace
}  // namespace sluice::l4
