// The neighbour cache: whom it believes, whom it doubts, and what strangers cannot take from those
// that the configuration names.

#include "ip/neighbours.h"

#include "fixture.h"
#include "ip/ndp.h"

namespace sluice::ip {
namespace {

using Op = Arp::Operation;

class NeighboursTest : public HostTest {
 protected:
  static constexpr const char* kPodAddress = "198.18.1.101";
  static constexpr Mac kNewMac{2, 0, 0, 0, 1, 77};

  NeighboursTest() { host.set_pods({addr(kPodAddress)}); }

  void answer(const char* address = kPodAddress, const Mac& mac = kPod) {
    hear(1, arp(Op::kReply, mac, address, "198.18.1.1", south.own()));
  }
  void know_the_pod() {
    EXPECT_EQ(send(kPodAddress), Sent::kYes);
    answer();
    south.take();
    advance(1s);
  }
  // What ARP asked since the last look: to whom it went, in order.
  std::vector<Mac> questions() {
    std::vector<Mac> to;
    for (const std::string& f : south.take()) {
      if (load_be16(raw(f, 12)) != kEtherArp) continue;
      Mac mac;
      std::memcpy(mac.data(), raw(f), mac.size());
      to.push_back(mac);
    }
    return to;
  }
  Mac mac_of_next_packet() {
    south.take();
    EXPECT_EQ(send(kPodAddress), Sent::kYes);
    Mac mac{};
    if (!south.sent.empty()) std::memcpy(mac.data(), raw(south.sent.back()), mac.size());
    return mac;
  }
  // The nth stranger of the south side's network.
  static std::string stranger(size_t n) {
    return "198.18." + std::to_string(64 + n / 250) + "." + std::to_string(1 + n % 250);
  }
  size_t held() { return hold->size() - hold->available(); }
};

// --- Doubt ---

TEST_F(NeighboursTest, in_doubt_a_neighbour_is_asked_at_once_and_believed_meanwhile) {
  know_the_pod();
  host.doubt(addr(kPodAddress), now);
  EXPECT_EQ(questions(), std::vector<Mac>{kPod});
  EXPECT_EQ(mac_of_next_packet(), kPod);
  answer();
  advance(Neighbours::kRetransTime + TimerWheel::kTick);
  EXPECT_TRUE(questions().empty());
}

TEST_F(NeighboursTest, a_neighbour_with_a_new_mac_is_found_within_a_second_of_doubt) {
  know_the_pod();
  host.doubt(addr(kPodAddress), now);
  std::vector<Mac> asked = questions();
  Duration took{};
  for (; took < 1s && (asked.empty() || asked.back() != kBroadcast); took += 50ms) {
    advance(50ms);
    for (const Mac& m : questions()) asked.push_back(m);
  }
  EXPECT_LT(took, 1s);
  EXPECT_EQ(asked, (std::vector<Mac>{kPod, kPod, kBroadcast}));
  answer(kPodAddress, kNewMac);
  EXPECT_EQ(mac_of_next_packet(), kNewMac);
}

TEST_F(NeighboursTest, who_has_just_answered_is_not_doubted) {
  EXPECT_EQ(send(kPodAddress), Sent::kYes);
  answer();
  south.take();
  for (int i = 0; i < 10; ++i) host.doubt(addr(kPodAddress), now);
  EXPECT_TRUE(questions().empty());
  advance(Neighbours::kDoubtAfter);
  for (int i = 0; i < 10; ++i) host.doubt(addr(kPodAddress), now);
  EXPECT_EQ(questions().size(), 1u);
}

TEST_F(NeighboursTest, doubt_of_what_is_behind_a_gateway_is_doubt_of_the_gateway) {
  EXPECT_EQ(send("10.1.2.3"), Sent::kYes);
  answer("198.18.1.254", kClient);
  south.take();
  advance(1s);
  host.doubt(addr("10.9.9.9"), now);
  EXPECT_EQ(questions(), std::vector<Mac>{kClient});
}

TEST_F(NeighboursTest, nobody_is_asked_for_in_doubt_who_was_not_known) {
  host.doubt(addr(kPodAddress), now);
  host.doubt(addr("203.0.113.9"), now);
  EXPECT_TRUE(questions().empty());
  EXPECT_EQ(host.neighbours(), 0u);
}

TEST_F(NeighboursTest, a_pod_that_nobody_answers_for_is_told_once_and_so_is_its_return) {
  for (int i = 0; i < 3; ++i) {
    send(kPodAddress);
    for (int step = 0; step < 12; ++step) advance(Neighbours::kRetransTime);
  }
  auto change = changes.pop();
  ASSERT_TRUE(change);
  EXPECT_EQ(change->what, stats::Change::What::kNeighbourLost);
  EXPECT_EQ(change->neighbour, addr(kPodAddress));
  EXPECT_EQ(change->slot, 1u);
  EXPECT_FALSE(changes.pop());
  send(kPodAddress);
  answer();
  change = changes.pop();
  ASSERT_TRUE(change);
  EXPECT_EQ(change->what, stats::Change::What::kNeighbourBack);
}

// --- Frames that wait ---

TEST_F(NeighboursTest, a_burst_to_a_pod_waits_for_it_and_what_is_too_many_costs_the_oldest) {
  constexpr size_t kMax = Neighbours::kKeptWaiting.each;
  for (size_t i = 0; i < kMax + 4; ++i) {
    second = "number " + std::to_string(i);
    EXPECT_EQ(send(kPodAddress), Sent::kYes);
  }
  EXPECT_EQ(held(), kMax);
  south.take();
  answer();
  const auto sent = south.take();
  ASSERT_EQ(sent.size(), kMax);
  EXPECT_NE(sent.front().find("number 4"), std::string::npos);
  EXPECT_NE(sent.back().find("number " + std::to_string(kMax + 3)), std::string::npos);
  EXPECT_EQ(held(), 0u);
}

TEST_F(NeighboursTest, what_waits_for_strangers_is_bounded_and_who_answers_gets_the_last_packets) {
  for (size_t i = 0; i < 2'000; ++i) send(("198.18.1." + std::to_string(2 + i % 90)).c_str());
  EXPECT_EQ(held(), Neighbours::kStrangersWaiting.in_all);
  // The newest push out the oldest, and what waits for a pod is none of theirs.
  second = "for a pod";
  EXPECT_EQ(send(kPodAddress), Sent::kYes);
  for (int i = 0; i < 3; ++i) {
    second = "number " + std::to_string(i);
    EXPECT_EQ(send("198.18.1.200"), Sent::kYes);
  }
  EXPECT_EQ(held(), Neighbours::kStrangersWaiting.in_all + 1);
  south.take();
  answer("198.18.1.200");
  EXPECT_EQ(south.take().size(), 3u);
  answer();
  EXPECT_NE(south.take().at(0).find("for a pod"), std::string::npos);
  for (unsigned i = 0; i < Neighbours::kMaxSolicits + 3; ++i)
    advance(Neighbours::kRetransTime + TimerWheel::kTick);
  EXPECT_EQ(held(), 0u);
  EXPECT_GT(host.neighbours(1).undelivered(), 1'000u);
}

// --- Strangers ---

class WideNetwork : public NeighboursTest {
 protected:
  WideNetwork() {
    wide.set_pods({addr("198.18.1.101")});
    wide_link.take();
  }
  Sent send_wide(const std::string& to) {
    header = std::string(20, 'h');
    store_be16(reinterpret_cast<uint8_t*>(header.data()) + 16, 0);
    OutPacket p;
    p.source = addr("198.18.0.1");
    p.destination = addr(to.c_str());
    p.header = buf::bytes_of(header);
    p.checksum_offset = 16;
    return wide.send(p, now);
  }
  void hear_wide(const std::string& frame) { wide.input(0, {.bytes = pool.filled(frame)}, now); }
  void answer_wide(const std::string& who) {
    hear_wide(arp(Op::kReply, kPod, who.c_str(), "198.18.0.1", wide_link.own()));
  }
  const Neighbours& cache() const { return wide.neighbours(0); }

  TestLink wide_link{3};
  std::array<Link*, 1> wide_links{&wide_link};
  std::array<PortAddresses, 1> wide_ports{
      PortAddresses{{*Prefix::parse("198.18.0.1/16")},
                    {Route{*Prefix::parse("10.0.0.0/8"), addr("198.18.1.254"), 0}}}};
  Host wide{wide_links, wide_ports, memory, wheel, &changes};
};

TEST_F(WideNetwork, addresses_that_nobody_has_take_no_place_of_a_pod_or_gateway) {
  for (size_t i = 0; i < 3 * Neighbours::kMaxEntries; ++i) send_wide(stranger(i));
  EXPECT_LE(cache().size(), Neighbours::kMaxUnresolved);
  EXPECT_GE(cache().evicted(), 2 * Neighbours::kMaxEntries);
  for (const char* to : {"198.18.1.101", "10.1.2.3"}) {
    EXPECT_EQ(send_wide(to), Sent::kYes);
    for (size_t i = 0; i < 2 * Neighbours::kMaxUnresolved; ++i) send_wide(stranger(i));
    wide_link.take();
    answer_wide(to[0] == '1' && to[1] == '0' ? "198.18.1.254" : to);
    EXPECT_EQ(wide_link.take().size(), 1u) << "what waited for " << to;
  }
}

TEST_F(WideNetwork, addresses_that_nobody_has_push_each_other_out_and_nobody_who_answered) {
  constexpr size_t kHonest = 500;
  for (size_t i = 0; i < kHonest; ++i) {
    send_wide(stranger(i));
    answer_wide(stranger(i));
  }
  for (size_t i = 0; i < 3 * Neighbours::kMaxEntries; ++i) send_wide(stranger(kHonest + i));
  wide_link.take();
  for (size_t i = 0; i < kHonest; ++i) send_wide(stranger(i));
  for (const std::string& f : wide_link.take()) EXPECT_EQ(load_be16(raw(f, 12)), kEtherIpv4);
}

TEST_F(WideNetwork, a_flood_of_arp_requests_costs_the_entry_that_was_unused_for_longest) {
  for (size_t i = 0; i < 200; ++i) {
    send_wide(stranger(i));
    answer_wide(stranger(i));
  }
  for (size_t i = 0; i < 2 * Neighbours::kMaxEntries; ++i) {
    hear_wide(arp(Op::kRequest, kClient, stranger(1'000 + i).c_str(), "198.18.0.1"));
    if (i % 500 == 0) {
      advance(1ms);
      for (size_t k = 0; k < 200; ++k) send_wide(stranger(k));
    }
  }
  EXPECT_LE(cache().size(), Neighbours::kMaxEntries);
  wide_link.take();
  size_t asked = 0;
  for (size_t i = 0; i < 200; ++i) send_wide(stranger(i));
  for (const std::string& f : wide_link.take()) asked += load_be16(raw(f, 12)) == kEtherArp;
  EXPECT_EQ(asked, 0u) << "who is in use stays";
}

TEST_F(WideNetwork, a_reload_keeps_what_is_known_of_new_pods_and_frees_the_places_of_old_ones) {
  send_wide("198.18.1.102");
  answer_wide("198.18.1.102");
  wide.set_pods({addr("198.18.1.102")});
  for (size_t i = 0; i < 2 * Neighbours::kMaxEntries; ++i)
    hear_wide(arp(Op::kRequest, kClient, stranger(i).c_str(), "198.18.0.1"));
  wide_link.take();
  send_wide("198.18.1.102");
  ASSERT_EQ(wide_link.sent.size(), 1u);
  EXPECT_EQ(load_be16(raw(wide_link.sent[0], 12)), kEtherIpv4);
  wide.set_pods({});
  for (size_t i = 0; i < 2 * Neighbours::kMaxEntries; ++i)
    hear_wide(arp(Op::kRequest, kClient, stranger(i).c_str(), "198.18.0.1"));
  EXPECT_LE(cache().size(), Neighbours::kMaxEntries);
}

}  // namespace
}  // namespace sluice::ip
