// Full NAT as packets in and packets out, within each version of IP and from each to the other.

#include <gtest/gtest.h>

#include <algorithm>

#include "buf/packet.h"
#include "fixture.h"

namespace sluice::l4 {
namespace {

class Nat : public ForwarderTest, public testing::WithParamInterface<Families> {
 protected:
  Nat() : ForwarderTest(GetParam()) {}

  // `p` as it reaches the pod or the client: with these ends, one hop further.
  static Packet translated(Packet p, const Endpoint& source, const Endpoint& destination) {
    p.source = source;
    p.destination = destination;
    --p.ttl;
    return p;
  }
};

INSTANTIATE_TEST_SUITE_P(Families, Nat,
                         testing::Values(Families{true, true}, Families{false, false},
                                         Families{true, false}, Families{false, true}),
                         [](const auto& i) {
                           return std::string(i.param.client_v4 ? "Ipv4" : "Ipv6") + "Client" +
                                  (i.param.pod_v4 ? "Ipv4" : "Ipv6") + "Pod";
                         });

TEST_P(Nat, a_connection_reaches_a_pod_from_an_address_of_our_own_and_answers_come_back) {
  Packet syn = from_client(40'000, kSyn, "fast open");
  syn.tos = 0xb9;  // expedited forwarding, ECT(1)
  EXPECT_FALSE(arrive(kNorth, syn));
  const Packet at_pod = only(south);
  EXPECT_EQ(at_pod.source.address, own);
  EXPECT_GE(at_pod.source.port, Registry::kFirstSourcePort);
  EXPECT_LE(at_pod.source.port, Registry::kLastSourcePort);
  EXPECT_EQ(at_pod.destination.port, 8080);
  EXPECT_EQ(at_pod, translated(syn, at_pod.source, at_pod.destination));

  const Packet answer = from_pod(at_pod, kSyn | kAck, "hello");
  EXPECT_FALSE(arrive(kSouth, answer));
  EXPECT_EQ(only(north), translated(answer, vip, {client.address, 40'000}));
  EXPECT_EQ(counters.l4.to_pods.get(), 1u);
  EXPECT_EQ(counters.l4.to_clients.get(), 1u);
  EXPECT_EQ(counters.listener(0).active_connections.get(), 1u);
}

TEST_P(Nat, datagrams_and_their_answers_are_translated) {
  const Endpoint dns{vip.address, 53};
  const Packet question{.source = client, .destination = dns, .protocol = kUdp, .data = "question"};
  EXPECT_FALSE(arrive(kNorth, question));
  const Packet at_pod = only(south);
  EXPECT_EQ(at_pod, translated(question, at_pod.source, at_pod.destination));
  const Packet answer = from_pod(at_pod, 0, "answer");
  EXPECT_FALSE(arrive(kSouth, answer));
  EXPECT_EQ(only(north), translated(answer, dns, client));
}

TEST_P(Nat, a_checksum_that_udp_leaves_out_stays_out_where_it_may) {
  auto packet = received(
      kNorth, {.source = client, .destination = {vip.address, 53}, .protocol = kUdp, .data = "q"});
  store_be16(packet.payload.front().mutable_data() + kUdpChecksum, 0);
  packet.checksum = ip::L4Checksum::kUnknown;
  EXPECT_FALSE(give(std::move(packet)));
  const auto left = frames(south);
  if (!GetParam().client_v4) {  // RFC 8200, 8.1
    EXPECT_TRUE(left.empty());
    EXPECT_EQ(counters.l4.bad_checksum.get(), 1u);
    return;
  }
  ASSERT_EQ(left.size(), 1u);
  if (GetParam().pod_v4) {
    EXPECT_EQ(load_be16(ip::raw(left[0], 34 + kUdpChecksum)), 0);
  } else {
    EXPECT_TRUE(parse(left[0]).intact);
  }
}

// Options of UDP lie behind the datagram's end (RFC 9868).
TEST_P(Nat, a_checksum_covers_a_datagram_and_not_what_lies_behind_it) {
  for (const auto sum : {ip::L4Checksum::kUnknown, ip::L4Checksum::kNone}) {
    auto packet = received(kNorth, {.source = client,
                                    .destination = {vip.address, 53},
                                    .protocol = kUdp,
                                    .data = "dataoptions"});
    constexpr size_t kSize = kUdpHeader + 4;
    uint8_t* h = packet.payload.front().mutable_data();
    store_be16(h + 4, kSize);
    store_be16(h + kUdpChecksum, 0);
    store_be16(h + kUdpChecksum, ip::checksum_l4(client.address, vip.address, kUdp, {h, kSize}));
    packet.checksum = ip::L4Checksum::kUnknown;
    EXPECT_TRUE(ip::verify_checksum(packet));
    packet.checksum = sum;
    give(std::move(packet));
    const auto left = frames(south);
    ASSERT_EQ(left.size(), 1u);
    const size_t at = ip::kEthernetSize + (GetParam().pod_v4 ? ip::kIpv4Size : ip::kIpv6Size);
    const Packet p = parse(left[0]);
    EXPECT_EQ(ip::checksum_l4(p.source.address, p.destination.address, kUdp,
                              {ip::raw(left[0], at), kSize}),
              0);
    EXPECT_EQ(p.data, "dataoptions");
  }
}

// Where less than 1,280 bytes pass behind the port, an IPv6 client cannot send less (RFC
// 7915, 5.1).
TEST_P(Nat, routers_may_cut_what_ipv6_clients_cannot_make_shorter) {
  if (GetParam().client_v4 || !GetParam().pod_v4) return;
  connect(40'000);
  const auto sent_as = [&](size_t data) {
    arrive(kNorth, from_client(40'000, kAck, std::string(data, 'x')));
    const auto left = frames(south);
    EXPECT_EQ(left.size(), 1u);
    return left.empty() ? std::pair<uint16_t, uint16_t>{}
                        : std::pair{load_be16(ip::raw(left[0], 14 + 6)),
                                    load_be16(ip::raw(left[0], 14 + 4))};
  };
  const auto [first, first_identification] = sent_as(1'220);  // 1,280 bytes, as they came
  const auto [second, second_identification] = sent_as(1'220);
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 0);
  EXPECT_NE(first_identification, second_identification);
  EXPECT_EQ(sent_as(1'221).first, ip::kDontFragment);
}

// The pod's MAC address is not known yet.
TEST_P(Nat, a_datagram_that_waits_and_whose_checksum_is_zero_has_the_other_zero) {
  const Endpoint from{own, 1'024};
  Endpoint to = pod(77);
  std::string datagram =
      transport({.source = from, .destination = to, .protocol = kUdp, .data = std::string(2, 0)});
  auto* h = reinterpret_cast<uint8_t*>(datagram.data());
  store_be16(h + kUdpHeader, load_be16(h + kUdpChecksum));
  store_be16(h + kUdpChecksum, 0);
  ip::OutPacket out;
  out.source = from.address;
  out.destination = to.address;
  out.protocol = ip::Protocol::kUdp;
  out.header = buf::bytes_of(datagram);
  out.checksum_offset = kUdpChecksum;
  take_sent();
  EXPECT_EQ(dual.send(out, now), ip::Sent::kYes);
  take_sent();
  meet(kSouth, to.address);
  const auto left = frames(south);
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(load_be16(ip::raw(left[0], left[0].size() - 4)), 0xffff);
}

TEST_P(Nat, damage_on_the_way_stays_visible) {
  auto packet = received(kNorth, from_client(40'000, kSyn, "data"));
  packet.payload.front().mutable_data()[21] ^= 1;
  give(std::move(packet));
  EXPECT_FALSE(only(south).intact);
}

TEST_P(Nat, a_partial_checksum_is_filled) {
  auto packet = received(kNorth, from_client(40'000, kSyn, "data"));
  store_be16(packet.payload.front().mutable_data() + kTcpChecksum, 0x1234);
  packet.checksum = ip::L4Checksum::kNone;
  give(std::move(packet));
  EXPECT_TRUE(only(south).intact);
}

TEST_P(Nat, a_packet_longer_than_the_mtu_leaves_only_as_segments) {
  connect(40'000);
  const auto long_packet = [&](uint16_t segment_size) {
    auto packet = received(kNorth, from_client(40'000, kAck, std::string(1950, 'x')));
    packet.checksum = ip::L4Checksum::kGood;
    packet.segment_size = segment_size;
    give(std::move(packet));
    return sent(south);
  };
  EXPECT_TRUE(long_packet(0).empty());
  EXPECT_EQ(counters.l4.too_long.get(), 1u);
  const auto cut = long_packet(1000);  // this port takes no long packets at all
  ASSERT_EQ(cut.size(), 2u);
  EXPECT_EQ(cut[0].data.size(), 1000u);
  EXPECT_EQ(cut[1].data.size(), 950u);
  EXPECT_TRUE(cut[0].intact);
  EXPECT_TRUE(cut[1].intact);
}

// A packet that the port would cut has no length yet.
std::string with_length(std::string frame) {
  if (load_be16(ip::raw(frame, 12)) != ip::kEtherIpv4) return frame;
  auto* p = reinterpret_cast<uint8_t*>(frame.data()) + ip::kEthernetSize;
  store_be16(p + 2, static_cast<uint16_t>(frame.size() - ip::kEthernetSize));
  store_be16(p + 10, 0);
  store_be16(p + 10, ip::checksum({p, ip::kIpv4Size}));
  return frame;
}

// A segment of the client, as kinds of ports hand it up.
struct Arrival {
  bool chain;
  ip::L4Checksum checksum;
  uint16_t segment_size;
};

TEST_P(Nat, a_packet_of_every_kind_of_port_leaves_by_every_other) {
  connect(40'000);
  std::string data(1'900, 0);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i % 251);
  const size_t header = (families_.pod_v4 ? 34 : 54) + 20;
  const auto arrive_as = [&](const Arrival& a) {
    auto packet = received(kNorth, from_client(40'000, kAck | kPsh, data));
    if (a.checksum == ip::L4Checksum::kNone)
      store_be16(packet.payload.front().mutable_data() + kTcpChecksum, 0x1234);
    if (a.chain) {
      const std::string bytes = buf::text_of(packet.payload.view());
      buf::Slice first = pool.filled(bytes.substr(0, 333));
      buf::Slice second = pool.filled(bytes.substr(333));
      rte_mbuf* m = buf::release_packet(first);
      m->next = buf::release_packet(second);
      m->nb_segs = 2;
      m->pkt_len = static_cast<uint32_t>(bytes.size());
      packet.payload = buf::Chain(m);
    }
    packet.checksum = a.checksum;
    packet.segment_size = a.segment_size;
    give(std::move(packet));
  };
  for (const bool chain : {false, true})
    for (const auto checksum :
         {ip::L4Checksum::kUnknown, ip::L4Checksum::kGood, ip::L4Checksum::kNone})
      for (const uint16_t segment_size : {uint16_t{700}, uint16_t{1'300}})
        for (const uint32_t tso : {0u, 1'400u, 65'000u}) {
          south.tso = tso;
          arrive_as({chain, checksum, segment_size});
          const std::vector<uint16_t> sizes = south.segment_sizes;
          const auto left = frames(south);
          ASSERT_EQ(left.size(), sizes.size());
          std::string all;
          for (size_t i = 0; i < left.size(); ++i) {
            const Packet p = parse(with_length(left[i]));
            EXPECT_TRUE(p.intact);
            EXPECT_EQ(load_be32(ip::raw(left[i], header - 16)), all.size());
            EXPECT_EQ(sizes[i], p.data.size() > segment_size ? segment_size : 0);
            EXPECT_LE(p.data.size(), std::max<size_t>(segment_size, tso));
            all += p.data;
            EXPECT_EQ((p.flags & kPsh) != 0, all.size() == data.size());
          }
          EXPECT_EQ(all, data);
          const size_t largest = std::max<size_t>(segment_size, tso / segment_size * segment_size);
          EXPECT_EQ(left.size(), (data.size() + largest - 1) / largest);
        }
}

}  // namespace
}  // namespace sluice::l4
