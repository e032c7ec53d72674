// DSR and IPIP: only the clients' packets pass, and pods get them as they are. Within each version
// of IP, and from each to the other.

#include <gtest/gtest.h>

#include "error_fixture.h"
#include "ip/icmp.h"

namespace sluice::l4 {
namespace {

using config::Forward;

struct Case {
  Forward mode;
  Families families;
};

class OneWay : public ErrorTest, public testing::WithParamInterface<Case> {
 protected:
  OneWay() : ErrorTest(GetParam().families, GetParam().mode) {
    for (uint16_t i = 0; i < kPods; ++i)
      dual.hear({.port = kSouth, .address = pod(i).address, .mac = mac(i), .solicited = true}, now);
  }

  static ip::Mac mac(uint16_t pod) { return {2, 0, 0, 0, 2, static_cast<uint8_t>(pod)}; }
  bool dsr() const { return mode_ == Forward::kDsr; }

  // A packet that left toward a pod.
  struct Left {
    Endpoint pod;
    std::string inner;  // a frame
    uint8_t tos = 0;    // of the outer header
  };
  // Takes the packet out of its tunnel, and checks the outer header.
  Left left(const std::string& frame) const {
    Left l;
    l.inner = frame;
    for (uint16_t i = 0; i < kPods; ++i)
      if (std::memcmp(frame.data(), mac(i).data(), 6) == 0) l.pod = pod(i);
    if (dsr()) return l;
    const bool outer4 = load_be16(ip::raw(frame, 12)) == ip::kEtherIpv4;
    EXPECT_EQ(outer4, families_.pod_v4);
    const buf::View bytes = buf::bytes_of(frame).subspan(ip::kEthernetSize);
    Address source, destination;
    uint8_t protocol = 0;
    if (outer4) {
      ip::Ipv4 h;
      EXPECT_EQ(ip::Ipv4::parse(bytes, static_cast<uint32_t>(bytes.size()), true, h),
                ip::Ipv4::Error::kNone);
      EXPECT_EQ(h.total_size, bytes.size());
      source = h.source;
      destination = h.destination;
      protocol = h.protocol;
      l.tos = h.tos;
    } else {
      ip::Ipv6 h;
      EXPECT_EQ(ip::Ipv6::parse(bytes, static_cast<uint32_t>(bytes.size()), h),
                ip::Ipv6::Error::kNone);
      EXPECT_EQ(h.total_size, bytes.size());
      source = h.source;
      destination = h.destination;
      protocol = h.protocol;
      l.tos = h.tos;
    }
    EXPECT_EQ(source, own);
    EXPECT_EQ(destination, l.pod.address);
    EXPECT_EQ(protocol, families_.client_v4 ? 4 : 41);
    l.inner = frame.substr(0, 12) + std::string(families_.client_v4 ? "\x08\x00" : "\x86\xdd", 2) +
              frame.substr(ip::kEthernetSize + (outer4 ? ip::kIpv4Size : ip::kIpv6Size));
    return l;
  }
  std::vector<Left> all_left() {
    std::vector<Left> all;
    for (const std::string& f : south.take()) {
      const uint16_t type = load_be16(ip::raw(f, 12));
      if (type == ip::kEtherIpv4 || (type == ip::kEtherIpv6 && *ip::raw(f, 20) != 58))
        all.push_back(left(f));
    }
    return all;
  }
  Left only_left() {
    auto all = all_left();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? Left{{}, frame_of({.source = client, .destination = vip}, {}, {})}
                       : all[0];
  }
  // As the pod has it: a tunnel is a hop.
  Packet at_pod(Packet p) const {
    if (!dsr()) --p.ttl;
    return p;
  }
  // An established flow; its pod.
  Endpoint open(uint16_t port) {
    arrive(kNorth, from_client(port, kSyn));
    const Endpoint to = only_left().pod;
    arrive(kNorth, from_client(port, kAck));
    take_sent();
    return to;
  }
  void expect_at(uint16_t port, const Endpoint& pod) {
    EXPECT_FALSE(arrive(kNorth, from_client(port, kAck, "data")));
    EXPECT_EQ(only_left().pod.str(), pod.str());
  }
  uint32_t tunnel() const {
    if (dsr()) return 0;
    return families_.pod_v4 ? ip::kIpv4Size : ip::kIpv6Size;
  }
  uint32_t inner_header() const { return families_.client_v4 ? ip::kIpv4Size : ip::kIpv6Size; }
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Forward mode : {Forward::kDsr, Forward::kIpip})
    for (const bool client : {true, false})
      for (const bool pod : {true, false}) all.push_back({mode, {client, pod}});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Modes, OneWay, testing::ValuesIn(cases()), [](const auto& i) {
  const Families& f = i.param.families;
  return std::string(i.param.mode == Forward::kDsr ? "Dsr" : "Ipip") +
         (f.client_v4 ? "Ipv4" : "Ipv6") + "Client" + (f.pod_v4 ? "Ipv4" : "Ipv6") + "Pod";
});

TEST_P(OneWay, packets_reach_a_pod_as_they_came) {
  Packet syn = from_client(40'000, kSyn, "fast open");
  syn.tos = 0xb9;
  EXPECT_FALSE(arrive(kNorth, syn));
  const Left l = only_left();
  EXPECT_NE(l.pod, Endpoint{});
  EXPECT_EQ(parse(l.inner), at_pod(syn));
  EXPECT_EQ(l.tos, dsr() ? 0 : 0xb9);
  const Packet question{
      .source = client, .destination = {vip.address, 53}, .protocol = kUdp, .data = "odd question"};
  EXPECT_FALSE(arrive(kNorth, question));
  EXPECT_EQ(parse(only_left().inner), at_pod(question));
  EXPECT_EQ(counters.l4.to_pods.get(), 2u);
  EXPECT_EQ(counters.l4.flows_begun.get(), 2u);
  EXPECT_EQ(forwarder.flows(), 2u);
}

TEST_P(OneWay, a_flow_keeps_its_pod_and_its_mode_when_both_left_the_configuration) {
  const Endpoint to = open(40'000);
  std::erase_if(snapshot.services[0].pods.edit(), [&](const auto& p) { return p.endpoint == to; });
  for (auto& l : snapshot.listeners) l.l4.mode = Forward::kNat;
  adopt();
  expect_at(40'000, to);
  snapshot.listeners.clear();
  adopt();
  expect_at(40'000, to);
}

TEST_P(OneWay, the_clients_packets_tell_the_state_of_a_connection) {
  arrive(kNorth, from_client(40'000, kSyn));
  EXPECT_EQ(forwarder.half_open(), 1u);
  arrive(kNorth, from_client(40'000, kAck));
  EXPECT_EQ(forwarder.half_open(), 0u);
  for (int i = 0; i < 10; ++i) advance(60s);
  EXPECT_EQ(forwarder.flows(), 1u);
  arrive(kNorth, from_client(40'000, kAck | kFin));
  for (int i = 0; i < 40; ++i) advance(1s);
  EXPECT_EQ(forwarder.flows(), 0u);
  EXPECT_EQ(counters.listener(0).active_connections.get(), 0u);
}

TEST_P(OneWay, a_forged_end_out_of_sequence_does_not_end_a_silent_connection) {
  Packet syn = from_client(40'000, kSyn);
  syn.seq = 5'000;
  arrive(kNorth, syn);
  Packet ack = from_client(40'000, kAck);
  ack.seq = 5'001;
  arrive(kNorth, ack);
  for (const uint8_t flags : {kFin | kAck, +kRst})
    for (const uint32_t seq : {0x4000'0000u, 0x8000'0000u, 0xff00'0000u}) {
      Packet forged = from_client(40'000, flags);
      forged.seq = seq;
      arrive(kNorth, forged);
      forged.flags = kAck;
      arrive(kNorth, forged);  // does not lead to where the next one is
    }
  for (int i = 0; i < 60; ++i) advance(1s);
  EXPECT_EQ(forwarder.flows(), 1u);
  ack.flags = kFin | kAck;
  arrive(kNorth, ack);
  for (int i = 0; i < 60; ++i) advance(1s);
  EXPECT_EQ(forwarder.flows(), 0u);
}

TEST_P(OneWay, the_end_of_a_long_upload_is_believed) {
  Packet data = from_client(40'000, kSyn);
  arrive(kNorth, data);
  data.flags = kAck;
  data.seq = 1;
  for (int i = 0; i < 20; ++i, *data.seq += 500'000) arrive(kNorth, data);
  data.flags = kFin | kAck;
  arrive(kNorth, data);
  take_sent();
  for (int i = 0; i < 60; ++i) advance(1s);
  EXPECT_EQ(forwarder.flows(), 0u);
}

TEST_P(OneWay, a_table_of_two_entries_a_flow_takes_twice_as_many) {
  for (uint16_t p = 0; p < 2 * kFlows - 1; ++p) open(static_cast<uint16_t>(40'000 + p));
  EXPECT_EQ(forwarder.flows(), 2 * kFlows - 1);
  EXPECT_EQ(counters.l4.evicted.get() + counters.l4.evicted_half_open.get(), 0u);
}

TEST_P(OneWay, damage_on_the_way_stays_visible_and_a_partial_checksum_is_filled) {
  auto packet = received(kNorth, from_client(40'000, kSyn, "data"));
  packet.payload.front().mutable_data()[21] ^= 1;
  give(std::move(packet));
  EXPECT_FALSE(parse(only_left().inner).intact);

  packet = received(kNorth, from_client(40'000, kSyn, "odd"));
  store_be16(packet.payload.front().mutable_data() + kTcpChecksum, 0x1234);
  packet.checksum = ip::L4Checksum::kNone;
  give(std::move(packet));
  EXPECT_TRUE(parse(only_left().inner).intact);
}

TEST_P(OneWay, a_merged_packet_leaves_as_segments) {
  open(40'000);
  auto packet = received(kNorth, from_client(40'000, kAck, std::string(1951, 'x')));
  packet.checksum = ip::L4Checksum::kGood;
  packet.segment_size = 1001;
  give(std::move(packet));
  const auto cut = all_left();
  ASSERT_EQ(cut.size(), 2u);
  EXPECT_EQ(parse(cut[0].inner).data.size(), 1001u);
  EXPECT_EQ(parse(cut[1].inner).data.size(), 950u);
  EXPECT_TRUE(parse(cut[0].inner).intact);
  EXPECT_TRUE(parse(cut[1].inner).intact);
}

TEST_P(OneWay, a_packet_that_does_not_fit_is_told_to_its_client) {
  open(40'000);
  const uint32_t fits = 1500 - tunnel() - inner_header() - 20;
  arrive(kNorth, from_client(40'000, kAck, std::string(fits, 'x')));
  EXPECT_EQ(parse(only_left().inner).data.size(), fits);
  EXPECT_TRUE(errors(north).empty());
  arrive(kNorth, from_client(40'000, kAck, std::string(fits + 1, 'x')));
  EXPECT_TRUE(all_left().empty());
  const auto told = errors(north);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].type, packet_too_big(families_.client_v4, 1500 - tunnel()));
  EXPECT_EQ(told[0].source, vip.address);
  EXPECT_EQ(counters.l4.too_long.get(), 1u);
}

TEST_P(OneWay, the_mss_fits_the_tunnel) {
  auto packet = received(kNorth, from_client(40'000, kSyn, std::string("\x02\x04\x05\xb4", 4)));
  uint8_t* header = packet.payload.front().mutable_data();
  header[12] = 0x60;  // the data are options
  store_be16(header + kTcpChecksum, 0);
  store_be16(header + kTcpChecksum,
             ip::checksum_l4(packet.source, packet.destination, kTcp, packet.payload.view()));
  give(std::move(packet));
  const Packet syn = parse(only_left().inner);
  EXPECT_TRUE(syn.intact);
  const uint32_t path = dsr() ? 1460 : 1500 - tunnel() - inner_header() - 20;
  EXPECT_EQ(load_be16(ip::raw(syn.data, 2)), path);
}

TEST_P(OneWay, an_error_about_a_packet_of_the_pod_is_the_pods) {
  const Endpoint to = open(40'000);
  const Packet answer{.source = vip, .destination = {client.address, 40'000}, .flags = kAck};
  ASSERT_TRUE(error(kNorth, client_router(), packet_too_big(families_.client_v4, 1400), answer));
  auto frames = south.take();
  std::erase_if(frames, [](const std::string& f) { return std::memcmp(f.data(), "\x33", 1) == 0; });
  ASSERT_EQ(frames.size(), 1u);
  const Left l = left(frames[0]);
  EXPECT_EQ(l.pod.str(), to.str());
  const uint32_t at = ip::kEthernetSize + inner_header();
  EXPECT_EQ(*ip::raw(l.inner, at), families_.client_v4 ? 3 : 2);
  EXPECT_EQ(load_be32(ip::raw(l.inner, at + 4)), 1400u);
  EXPECT_EQ(counters.l4.errors_translated.get(), 1u);
}

// IP keeps the first buffer of a long one.
TEST_P(OneWay, an_error_that_was_cut_has_a_right_checksum) {
  open(40'000);
  const Packet answer{.source = vip,
                      .destination = {client.address, 40'000},
                      .flags = kAck,
                      .data = std::string(100, 'x')};
  auto e = received_error(kNorth, client_router(), packet_too_big(families_.client_v4, 1400),
                          vip.address, frame_of(answer, {}, {}).substr(ip::kEthernetSize));
  ASSERT_TRUE(e);
  e->message.drop_back(50);
  ASSERT_TRUE(forwarder.input(*e, false, now));
  auto frames = south.take();
  std::erase_if(frames, [](const std::string& f) { return std::memcmp(f.data(), "\x33", 1) == 0; });
  ASSERT_EQ(frames.size(), 1u);
  const std::string inner = left(frames[0]).inner;
  const buf::View message = buf::bytes_of(inner).subspan(ip::kEthernetSize + inner_header());
  EXPECT_EQ(families_.client_v4 ? ip::checksum(message)
                                : ip::checksum_l4(client_router(), vip.address, 58, message),
            0);
}

TEST_P(OneWay, a_tunnel_is_a_hop_and_a_neighbour_is_none) {
  Packet last = from_client(40'000, kSyn);
  open(40'000);
  last.flags = kAck;
  last.ttl = 1;
  arrive(kNorth, last);
  if (dsr()) {
    EXPECT_EQ(parse(only_left().inner), last);
  } else {
    EXPECT_TRUE(all_left().empty());
    EXPECT_EQ(errors(north).size(), 1u);
  }
}

TEST_P(OneWay, pods_behind_a_gateway_need_a_tunnel) {
  if (!families_.pod_v4 || !families_.client_v4) GTEST_SKIP() << "the gateway is one of IPv4";
  for (uint16_t i = 0; i < kPods; ++i)
    snapshot.services[0].pods.edit()[i].endpoint.address = ip::addr("10.0.0.1");
  adopt();
  meet(kSouth, ip::addr("198.18.1.254"));
  take_sent();
  arrive(kNorth, from_client(40'000, kSyn));
  const auto frames = south.take();
  EXPECT_EQ(std::count_if(
                frames.begin(), frames.end(),
                [](const std::string& f) { return load_be16(ip::raw(f, 12)) == ip::kEtherIpv4; }),
            dsr() ? 0 : 1);
  EXPECT_EQ(counters.l4.unsent.get(), dsr() ? 1u : 0u);
}

}  // namespace
}  // namespace sluice::l4
