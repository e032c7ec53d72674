// Fragments: each follows its first one.

#include <gtest/gtest.h>

#include <algorithm>

#include "error_fixture.h"

namespace sluice::l4 {
namespace {

using config::Forward;

struct ModeOfFragments {
  Forward mode;
  bool v4;
};

class FragmentsOfFlows : public ErrorTest, public testing::WithParamInterface<ModeOfFragments> {
 protected:
  FragmentsOfFlows() : ErrorTest({GetParam().v4, GetParam().v4}, GetParam().mode) {}

  // A datagram in pieces of kPiece bytes.
  static constexpr size_t kPiece = 1'000;
  static std::vector<std::string> cut(const Packet& p, uint32_t identification) {
    const bool v4 = p.source.address.is_v4();
    const std::string whole = transport(p);
    std::vector<std::string> all;
    for (size_t at = 0; at < whole.size(); at += kPiece) {
      const std::string piece = whole.substr(at, kPiece);
      ip::OutPacket out;
      out.source = p.source.address;
      out.destination = p.destination.address;
      out.protocol = ip::Protocol::kUdp;
      out.identification = static_cast<uint16_t>(identification);
      out.fragmentation = static_cast<uint16_t>(at / 8 | (at + kPiece < whole.size() ? 0x2000 : 0));
      std::string f(v4 ? 34 : 62, 0);
      auto* b = reinterpret_cast<uint8_t*>(f.data());
      ip::emit_ethernet(b, {}, kClient.data(), v4 ? ip::kEtherIpv4 : ip::kEtherIpv6);
      if (v4) {
        ip::emit_ipv4(b + 14, out, static_cast<uint16_t>(ip::kIpv4Size + piece.size()));
        store_be16(b + 24, ip::checksum({b + 14, ip::kIpv4Size}));
      } else {
        ip::emit_fragment(b + 54, kUdp, out.fragmentation, identification);
        out.protocol = ip::Protocol::kFragment;
        out.payload_size = static_cast<uint32_t>(ip::kFragmentSize + piece.size());
        ip::emit_ipv6(b + 14, out);
      }
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
  static Packet whole(ip::TestLink& link, uint32_t* identification = nullptr) {
    std::string data;
    Packet p;
    uint32_t id = 0;
    const bool v4 = GetParam().v4;
    for (const std::string& frame : link.take()) {
      const uint32_t size = v4 ? ip::kIpv4Size : ip::kIpv6Size;
      size_t at = 14;
      if (load_be16(ip::raw(frame, 12)) != (v4 ? ip::kEtherIpv4 : ip::kEtherIpv6)) continue;
      if (GetParam().mode == Forward::kIpip) at += size;
      const uint8_t* h = ip::raw(frame, at);
      uint16_t fragmentation = load_be16(h + 6);
      uint32_t identification_here = load_be16(h + 4);
      if (v4) {
        EXPECT_EQ(ip::checksum({h, ip::kIpv4Size}), 0);
      } else {
        const uint8_t* fragment = h + ip::kIpv6Size;
        if (h[6] != 44) continue;
        EXPECT_EQ(load_be16(h + 4), frame.size() - at - ip::kIpv6Size);
        EXPECT_EQ(fragment[0], kUdp);
        fragmentation = ip::fragmentation_of(fragment);
        identification_here = load_be32(fragment + 4);
        at += ip::kFragmentSize;
      }
      p.source.address = v4 ? Address::v4(h + 12) : ip::v6(h + 8);
      p.destination.address = v4 ? Address::v4(h + 16) : ip::v6(h + 24);
      p.ttl = h[v4 ? 8 : 7];
      EXPECT_EQ((fragmentation & 0x1fffu) * 8, data.size());
      if (data.empty()) id = identification_here;
      EXPECT_EQ(identification_here, id);
      data += frame.substr(at + size);
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
  std::vector<std::string> frames_of_fragments() {
    auto all = south.take();
    std::erase_if(all, [](const std::string& f) { return f.size() < 1'000; });
    return all;
  }
  Packet question(uint16_t port) const {
    return {.source = {client.address, port},
            .destination = {vip.address, 53},
            .protocol = kUdp,
            .data = std::string(2'777, static_cast<char>(port))};
  }
};

INSTANTIATE_TEST_SUITE_P(
    Modes, FragmentsOfFlows,
    testing::Values(ModeOfFragments{Forward::kNat, true}, ModeOfFragments{Forward::kDsr, true},
                    ModeOfFragments{Forward::kIpip, true}, ModeOfFragments{Forward::kNat, false},
                    ModeOfFragments{Forward::kDsr, false}, ModeOfFragments{Forward::kIpip, false}),
    [](const auto& i) {
      const std::string mode = i.param.mode == Forward::kNat   ? "Nat"
                               : i.param.mode == Forward::kDsr ? "Dsr"
                                                               : "Ipip";
      return mode + (i.param.v4 ? "Ipv4" : "Ipv6");
    });

TEST_P(FragmentsOfFlows, reach_the_pod_of_their_first_one) {
  for (const std::string& f : cut(question(5'000), 1)) EXPECT_TRUE(arrive_frame(kNorth, f));
  const Packet at_pod = whole(south);
  EXPECT_TRUE(at_pod.intact);
  EXPECT_EQ(at_pod.data, question(5'000).data);
  EXPECT_EQ(counters.l4.fragments.get(), 2u);
  EXPECT_EQ(counters.l4.flows_begun.get(), 1u);
  if (GetParam().mode != Forward::kNat) return;
  for (const std::string& f : cut(from_pod(at_pod, 0, std::string(1'500, 'a')), 9))
    EXPECT_TRUE(arrive_frame(kSouth, f));
  const Packet answer = whole(north);
  EXPECT_TRUE(answer.intact);
  EXPECT_EQ(answer.data, std::string(1'500, 'a'));
  EXPECT_EQ(answer.destination, (Endpoint{client.address, 5'000}));
}

TEST_P(FragmentsOfFlows, reach_a_listener_at_an_address_of_a_port) {
  const Address own_north = ip::addr(GetParam().v4 ? "198.18.0.2" : "2001:db8::2");
  listen({own_north, 5'353}, config::Protocol::kUdp);
  adopt();
  Packet to_own = question(5'000);
  to_own.destination = {own_north, 5'353};
  for (const std::string& f : cut(to_own, 1)) EXPECT_TRUE(arrive_frame(kNorth, f));
  EXPECT_EQ(whole(south).data, to_own.data);
  EXPECT_EQ(counters.l4.fragments_dropped.get(), 0u);
}

TEST_P(FragmentsOfFlows, of_two_clients_with_one_identification_do_not_mix) {
  uint32_t first = 0, second = 0;
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

TEST_P(FragmentsOfFlows, of_a_flood_push_out_the_oldest_and_take_no_more_memory) {
  const auto kept = cut(question(5'000), 1);
  arrive_frame(kNorth, kept[0]);
  uint32_t followed = 0;
  for (uint32_t i = 2; i < 3 * Fragments::kDatagrams; ++i) {
    const auto pieces = cut(question(static_cast<uint16_t>(6'000 + i % 8)), i);
    EXPECT_TRUE(arrive_frame(kNorth, pieces[0]));
    if (i % 64 == 0 && arrive_frame(kNorth, pieces[1])) ++followed;
    take_sent();
  }
  EXPECT_EQ(followed, 3 * Fragments::kDatagrams / 64 - 1);
  EXPECT_FALSE(arrive_frame(kNorth, kept[1]));
  EXPECT_EQ(counters.l4.fragments_dropped.get(), 1u);
}

TEST_P(FragmentsOfFlows, that_a_router_does_not_take_are_told_to_their_sender) {
  if (GetParam().mode != Forward::kNat) GTEST_SKIP() << "errors of the others are the pods'";
  arrive_frame(kNorth, cut(question(5'000), 7)[0]);
  const auto left = frames_of_fragments();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_TRUE(error(kSouth, pod_router(), packet_too_big(GetParam().v4, 1'400), own,
                    left[0].substr(ip::kEthernetSize, 500)));
  const auto told = north.take();
  const auto error = std::find_if(told.begin(), told.end(), [](const std::string& f) {
    return f.size() > 100 && *ip::raw(f, GetParam().v4 ? 23 : 20) == (GetParam().v4 ? 1 : 58) &&
           load_be16(ip::raw(f, GetParam().v4 ? 40 : 60)) == 1'400;
  });
  ASSERT_NE(error, told.end());
  const buf::View quote = buf::bytes_of(*error).subspan(GetParam().v4 ? 42 : 62);
  const auto quoted = ip::parse_quoted(quote, GetParam().v4);
  ASSERT_TRUE(quoted && quoted->ports);
  EXPECT_EQ(quoted->source, client.address);
  EXPECT_EQ(*quoted->ports, (ip::Ports{5'000, 53}));
  if (!GetParam().v4) {
    EXPECT_EQ(quote[6], 44);
    EXPECT_EQ(ip::fragmentation_of(quote.data() + ip::kIpv6Size), ip::kDontFragment | 0x2000);
  }
}

TEST(QuotedFragments, of_ipv6_have_the_ports_behind_the_fragment_header) {
  std::string quote(ip::kIpv6Size + ip::kFragmentSize, 0);
  ip::OutPacket out;
  out.source = ip::addr("2001:db8:1::1");
  out.destination = ip::addr("2001:db8:1::101");
  out.protocol = ip::Protocol::kFragment;
  out.payload_size = 8 + 1'008;
  auto* q = reinterpret_cast<uint8_t*>(quote.data());
  ip::emit_ipv6(q, out);
  ip::emit_fragment(q + ip::kIpv6Size, kUdp, ip::kDontFragment | 0x2000, 77);
  quote += transport({.source = {out.source, 2'000},
                      .destination = {out.destination, 8'080},
                      .protocol = kUdp,
                      .data = std::string(1'000, 'x')});
  auto first = ip::parse_quoted(buf::bytes_of(quote), false);
  ASSERT_TRUE(first && first->ports);
  EXPECT_EQ(first->protocol, kUdp);
  EXPECT_EQ(*first->ports, (ip::Ports{2'000, 8'080}));
  quote[ip::kIpv6Size + 2] = 1;  // behind the first: no ports
  first = ip::parse_quoted(buf::bytes_of(quote), false);
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->ports);
}

}  // namespace
}  // namespace sluice::l4
