// Fragments of IPv4: each follows its first one.

#include <gtest/gtest.h>

#include "fixture.h"

namespace sluice::l4 {
namespace {

using config::Forward;

class FragmentsOfFlows : public ForwarderTest, public testing::WithParamInterface<Forward> {
 protected:
  FragmentsOfFlows() : ForwarderTest({true, true}, GetParam()) {}

  // A datagram in pieces of kPiece bytes.
  static constexpr size_t kPiece = 1'000;
  static std::vector<std::string> cut(const Packet& p, uint16_t identification) {
    const std::string whole = transport(p);
    std::vector<std::string> all;
    for (size_t at = 0; at < whole.size(); at += kPiece) {
      const std::string piece = whole.substr(at, kPiece);
      ip::OutPacket out;
      out.source = p.source.address;
      out.destination = p.destination.address;
      out.protocol = ip::Protocol::kUdp;
      out.identification = identification;
      out.fragmentation = static_cast<uint16_t>(at / 8 | (at + kPiece < whole.size() ? 0x2000 : 0));
      std::string f(ip::kEthernetSize + ip::kIpv4Size, 0);
      auto* b = reinterpret_cast<uint8_t*>(f.data());
      ip::emit_ethernet(b, {}, kClient.data(), ip::kEtherIpv4);
      ip::emit_ipv4(b + ip::kEthernetSize, out,
                    static_cast<uint16_t>(ip::kIpv4Size + piece.size()));
      store_be16(b + 24, ip::checksum({b + 14, ip::kIpv4Size}));
      all.push_back(f + piece);
    }
    return all;
  }
  // Whether the forwarder took it.
  bool arrive_frame(unsigned port, std::string frame) {
    std::memcpy(frame.data(), (port == kNorth ? north : south).mac(), 6);
    auto in = dual.input(port, {.bytes = pool.filled(frame)}, now);
    auto* packet = std::get_if<ip::TransportPacket>(&in);
    return packet != nullptr && forwarder.know_fragment(*packet, now) && packet->ports &&
           !give(std::move(*packet));
  }
  // The datagram of the fragments that left.
  Packet whole(ip::TestLink& link, uint16_t* identification = nullptr) {
    std::string data;
    Packet p;
    uint16_t id = 0;
    for (const std::string& frame : link.take()) {
      if (load_be16(ip::raw(frame, 12)) != ip::kEtherIpv4) continue;
      size_t at = 14;
      if (GetParam() == Forward::kIpip) at += ip::kIpv4Size;
      const uint8_t* h = ip::raw(frame, at);
      EXPECT_EQ(ip::checksum({h, ip::kIpv4Size}), 0);
      p.source.address = Address::v4(h + 12);
      p.destination.address = Address::v4(h + 16);
      p.ttl = h[8];
      EXPECT_EQ((load_be16(h + 6) & 0x1fffu) * 8, data.size());
      if (data.empty()) id = load_be16(h + 4);
      EXPECT_EQ(load_be16(h + 4), id);
      data += frame.substr(at + ip::kIpv4Size);
    }
    if (identification != nullptr) *identification = id;
    if (data.size() < 8) return p;
    p.protocol = kUdp;
    p.source.port = load_be16(ip::raw(data));
    p.destination.port = load_be16(ip::raw(data, 2));
    p.intact =
        ip::checksum_l4(p.source.address, p.destination.address, kUdp, buf::bytes_of(data)) == 0;
    p.data = data.substr(8);
    return p;
  }
  Packet question(uint16_t port) const {
    return {.source = {client.address, port},
            .destination = {vip.address, 53},
            .protocol = kUdp,
            .data = std::string(2'777, static_cast<char>(port))};
  }
};

INSTANTIATE_TEST_SUITE_P(Modes, FragmentsOfFlows,
                         testing::Values(Forward::kNat, Forward::kDsr, Forward::kIpip),
                         [](const auto& i) {
                           return i.param == Forward::kNat   ? "Nat"
                                  : i.param == Forward::kDsr ? "Dsr"
                                                             : "Ipip";
                         });

TEST_P(FragmentsOfFlows, reach_the_pod_of_their_first_one) {
  for (const std::string& f : cut(question(5'000), 1)) EXPECT_TRUE(arrive_frame(kNorth, f));
  const Packet at_pod = whole(south);
  EXPECT_TRUE(at_pod.intact);
  EXPECT_EQ(at_pod.data, question(5'000).data);
  EXPECT_EQ(counters.l4.fragments.get(), 2u);
  EXPECT_EQ(counters.l4.flows_begun.get(), 1u);
  if (GetParam() != Forward::kNat) return;
  for (const std::string& f : cut(from_pod(at_pod, 0, std::string(1'500, 'a')), 9))
    EXPECT_TRUE(arrive_frame(kSouth, f));
  const Packet answer = whole(north);
  EXPECT_TRUE(answer.intact);
  EXPECT_EQ(answer.data, std::string(1'500, 'a'));
  EXPECT_EQ(answer.destination, (Endpoint{client.address, 5'000}));
}

TEST_P(FragmentsOfFlows, of_two_clients_with_one_identification_do_not_mix) {
  uint16_t first = 0, second = 0;
  for (const std::string& f : cut(question(5'000), 1)) arrive_frame(kNorth, f);
  whole(south, &first);
  for (const std::string& f : cut(question(6'000), 1)) arrive_frame(kNorth, f);
  EXPECT_TRUE(whole(south, &second).intact);
  EXPECT_NE(first, second);
}

TEST_P(FragmentsOfFlows, are_dropped_and_counted_without_their_first_one) {
  const auto pieces = cut(question(5'000), 1);
  EXPECT_FALSE(arrive_frame(kNorth, pieces[1]));
  EXPECT_EQ(counters.l4.fragments_dropped.get(), 1u);
  arrive_frame(kNorth, pieces[0]);
  EXPECT_TRUE(arrive_frame(kNorth, pieces[1]));
  advance(6s);
  EXPECT_FALSE(arrive_frame(kNorth, pieces[2]));
  EXPECT_EQ(counters.l4.fragments_dropped.get(), 2u);
}

TEST_P(FragmentsOfFlows, are_no_ones_where_there_is_no_listener) {
  Packet other = question(5'000);
  other.destination.port = 54;
  const auto pieces = cut(other, 1);
  arrive_frame(kNorth, pieces[0]);
  EXPECT_FALSE(arrive_frame(kNorth, pieces[1]));
  EXPECT_TRUE(whole(south).data.empty());
  snapshot.listeners.clear();
  adopt();
  auto frame = pieces[0];
  std::memcpy(frame.data(), north.mac(), 6);
  EXPECT_EQ(ip::dropped(dual.input(kNorth, {.bytes = pool.filled(frame)}, now)),
            stats::name_of(stats::Drop::kNotOurAddress));
}

}  // namespace
}  // namespace sluice::l4
