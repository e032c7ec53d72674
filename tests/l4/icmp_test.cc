// ICMP errors about packets of flows, between each two versions of IP: translated to the other end,
// and sent by Sluice itself.

#include <gtest/gtest.h>

#include "error_fixture.h"
#include "ip/icmp.h"

namespace sluice::l4 {
namespace {

class IcmpErrors : public ErrorTest, public testing::WithParamInterface<Families> {
 protected:
  IcmpErrors() : ErrorTest(GetParam()) {}

  void expect_error(ip::TestLink& link, const Address& from, const ErrorType& type, Packet about) {
    const auto all = errors(link);
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].source.str(), from.str());
    EXPECT_EQ(all[0].destination.str(), about.source.address.str());
    EXPECT_EQ(all[0].type, type);
    about.ttl = all[0].quoted.ttl;
    EXPECT_EQ(all[0].quoted, about);
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

TEST_P(IcmpErrors, a_path_for_datagrams_that_takes_less_is_told_to_pods_whose_fragments_cross) {
  arrive(kNorth,
         {.source = client, .destination = {vip.address, 53}, .protocol = kUdp, .data = "q"});
  arrive(kSouth, from_pod(only(south), 0, "answer"));
  const Packet left = only(north);
  EXPECT_TRUE(error(kNorth, client_router(), packet_too_big(families_.client_v4, 1400), left));
  EXPECT_EQ(errors(south).size(), families_.client_v4 == families_.pod_v4 ? 1u : 0u);
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

TEST_P(IcmpErrors, an_error_whose_extensions_are_left_out_tells_no_length_of_a_quote) {
  const Packet question{
      .source = client, .destination = {vip.address, 53}, .protocol = kUdp, .data = "question"};
  arrive(kNorth, question);
  const Packet left = only(south);
  // The length of the original datagram (RFC 4884, 4.1 and 4.2).
  const ErrorType with_length =
      families_.pod_v4 ? ErrorType{3, 1, 32u << 16} : ErrorType{1, 0, 16u << 24};
  ASSERT_TRUE(error(kSouth, pod_router(), with_length, left));
  const auto told = errors(north);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].type.rest, 0u);
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
  EXPECT_EQ(to_ipv6({3, 2, 0}), (ErrorType{4, 1, 6}));
  EXPECT_EQ(to_ipv6({3, 14, 0}), std::nullopt);
  EXPECT_EQ(to_ipv6({3, 15, 0}), (ErrorType{1, 1, 0}));
  EXPECT_EQ(to_ipv6({3, 16, 0}), std::nullopt);
  EXPECT_EQ(to_ipv6({12, 0, 8u << 24}), (ErrorType{4, 0, 7}));
  EXPECT_EQ(to_ipv6({12, 2, 16u << 24}), (ErrorType{4, 0, 24}));
  EXPECT_EQ(to_ipv6({12, 0, 10u << 24}), std::nullopt);
  EXPECT_EQ(to_ipv6({12, 1, 0}), std::nullopt);
  EXPECT_EQ(to_ipv4({1, 1, 0}), (ErrorType{3, 10, 0}));
  EXPECT_EQ(to_ipv4({1, 3, 0}), (ErrorType{3, 1, 0}));
  EXPECT_EQ(to_ipv4({2, 0, 1500}), (ErrorType{3, 4, 1480}));
  EXPECT_EQ(to_ipv4({1, 5, 0}), std::nullopt);
  EXPECT_EQ(to_ipv4({4, 1, 6}), (ErrorType{3, 2, 0}));
  EXPECT_EQ(to_ipv4({4, 0, 7}), (ErrorType{12, 0, 8u << 24}));
  EXPECT_EQ(to_ipv4({4, 0, 30}), (ErrorType{12, 0, 16u << 24}));
  EXPECT_EQ(to_ipv4({4, 0, 2}), std::nullopt);
  EXPECT_EQ(to_ipv4({4, 2, 0}), std::nullopt);
}

}  // namespace
}  // namespace sluice::l4
