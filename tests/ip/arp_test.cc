#include "fixture.h"

namespace sluice::ip {
namespace {

using Op = Arp::Operation;

TEST_F(HostTest, answers_for_its_own_address_and_for_the_vip_on_their_port) {
  for (const char* target : {"198.18.0.2", "198.18.0.10"}) {
    hear(0, arp(Op::kRequest, kClient, "198.18.0.1", target));
    ASSERT_EQ(north.sent.size(), 1u) << target;
    const auto reply = Arp::parse({raw(north.sent[0], 14), kArpSize});
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->operation, Op::kReply);
    EXPECT_EQ(reply->sender, addr(target));
    EXPECT_EQ(reply->sender_mac, north.own());
    EXPECT_EQ(reply->target_mac, kClient);
    EXPECT_EQ(std::memcmp(raw(north.sent[0]), kClient.data(), 6), 0);
    north.take();
  }
}

TEST_F(HostTest, does_not_answer_for_others_or_on_the_wrong_port) {
  hear(0, arp(Op::kRequest, kClient, "198.18.0.1", "198.18.0.77"));
  hear(1, arp(Op::kRequest, kPod, "198.18.1.101", "198.18.0.10"));
  hear(1, arp(Op::kRequest, kPod, "198.18.1.101", "198.18.0.2"));
  EXPECT_TRUE(north.sent.empty());
  EXPECT_TRUE(south.sent.empty());
}

TEST_F(HostTest, a_vip_outside_of_all_networks_is_answered_for_on_every_port) {
  host.set_vips({addr("203.0.113.5")});
  EXPECT_EQ(north.take().size(), 1u);  // announced, too
  EXPECT_EQ(south.take().size(), 1u);
  hear(0, arp(Op::kRequest, kClient, "198.18.0.1", "203.0.113.5"));
  hear(1, arp(Op::kRequest, kPod, "198.18.1.101", "203.0.113.5"));
  EXPECT_EQ(north.sent.size(), 1u);
  EXPECT_EQ(south.sent.size(), 1u);
}

TEST_F(HostTest, a_new_vip_is_announced_once) {
  host.set_vips({addr("198.18.0.10"), addr("198.18.0.11")});
  ASSERT_EQ(north.sent.size(), 1u);
  const auto announcement = Arp::parse({raw(north.sent[0], 14), kArpSize});
  EXPECT_EQ(announcement->sender, addr("198.18.0.11"));
  EXPECT_EQ(announcement->target, addr("198.18.0.11"));
  EXPECT_TRUE(south.sent.empty());
}

TEST_F(HostTest, who_claims_one_of_our_addresses_is_not_believed) {
  hear(0, arp(Op::kReply, kClient, "198.18.0.10", "198.18.0.10"));
  hear(0, arp(Op::kRequest, kClient, "198.18.0.2", "198.18.0.2"));
  EXPECT_EQ(host.neighbours(), 0u);
}

TEST_F(HostTest, an_unasked_reply_makes_no_entry) {
  hear(1, arp(Op::kReply, kPod, "198.18.1.101", "198.18.1.1", south.own()));
  EXPECT_EQ(host.neighbours(), 0u);
}

TEST_F(HostTest, packets_wait_for_the_neighbour_and_leave_in_order_with_right_checksums) {
  EXPECT_EQ(send("198.18.1.101"), Sent::kYes);
  second = "piece two";
  EXPECT_EQ(send("198.18.1.101"), Sent::kYes);
  auto asked = south.take();
  ASSERT_EQ(asked.size(), 1u);  // one question for both
  EXPECT_EQ(Arp::parse({raw(asked[0], 14), kArpSize})->target, addr("198.18.1.101"));

  hear(1, arp(Op::kReply, kPod, "198.18.1.101", "198.18.1.1", south.own()));
  const auto sent = south.take();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_NE(sent[0].find("oddpieces"), std::string::npos);
  EXPECT_NE(sent[1].find("oddpiece two"), std::string::npos);
  for (const std::string& f : sent) {
    EXPECT_EQ(std::memcmp(raw(f), kPod.data(), 6), 0);
    EXPECT_EQ(checksum({raw(f, 14), 20}), 0);
    EXPECT_EQ(checksum_l4(addr("198.18.1.1"), addr("198.18.1.101"), 6, {raw(f, 34), f.size() - 34}),
              0);
  }
}

TEST_F(HostTest, a_neighbour_that_does_not_answer_is_asked_again_then_given_up_then_asked_anew) {
  EXPECT_EQ(send("198.18.1.101"), Sent::kYes);
  for (unsigned i = 0; i < Neighbours::kMaxSolicits + 3; ++i)
    advance(Neighbours::kRetransTime + TimerWheel::kTick);
  EXPECT_EQ(south.take().size(), Neighbours::kMaxSolicits);
  EXPECT_EQ(hold->available(), hold->size());  // what waited was let go
  EXPECT_EQ(send("198.18.1.101"), Sent::kUnreachable);
  EXPECT_TRUE(south.take().empty());
  advance(Neighbours::kFailedTime + TimerWheel::kTick);
  EXPECT_EQ(send("198.18.1.101"), Sent::kYes);
  EXPECT_EQ(south.take().size(), 1u);
}

TEST_F(HostTest, an_old_entry_is_believed_and_confirmed_by_a_unicast_question) {
  hear(1, arp(Op::kRequest, kPod, "198.18.1.101", "198.18.1.1"));  // it asked for us: learnt, stale
  south.take();
  EXPECT_EQ(send("198.18.1.101"), Sent::kYes);
  const auto sent = south.take();
  ASSERT_EQ(sent.size(), 2u);  // the question, and the packet all the same
  EXPECT_EQ(std::memcmp(raw(sent[0]), kPod.data(), 6), 0);
  EXPECT_EQ(load_be16(raw(sent[0], 12)), kEtherArp);
  EXPECT_EQ(load_be16(raw(sent[1], 12)), kEtherIpv4);
}

TEST_F(HostTest, an_unused_neighbour_is_forgotten) {
  hear(1, arp(Op::kRequest, kPod, "198.18.1.101", "198.18.1.1"));
  EXPECT_EQ(host.neighbours(), 1u);
  advance(Neighbours::kStaleTime + 1s);
  advance(Neighbours::kStaleTime + 1s);
  EXPECT_EQ(host.neighbours(), 0u);
}

TEST_F(HostTest, the_longest_prefix_decides_and_gateways_are_asked_for_in_place_of_the_target) {
  EXPECT_EQ(send("10.1.2.3"), Sent::kYes);
  const auto asked = south.take();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(Arp::parse({raw(asked[0], 14), kArpSize})->target, addr("198.18.1.254"));
  EXPECT_EQ(send("203.0.113.9"), Sent::kNoRoute);
  EXPECT_EQ(*host.source_for(addr("198.18.1.101")), addr("198.18.1.1"));
  EXPECT_EQ(*host.source_for(addr("198.18.0.1")), addr("198.18.0.2"));
  EXPECT_EQ(host.source_for(addr("203.0.113.9")), nullptr);
  EXPECT_EQ(host.max_segment(addr("10.9.9.9")), 1480u);
}

TEST(RouteTable, the_longest_prefix_wins_whatever_the_order) {
  const RouteTable table({{*Prefix::parse("0.0.0.0/0"), addr("1.1.1.1"), 0},
                          {*Prefix::parse("10.1.0.0/16"), addr("2.2.2.2"), 1},
                          {*Prefix::parse("10.0.0.0/8"), addr("3.3.3.3"), 2}});
  EXPECT_EQ(table.find(addr("10.1.9.9"))->port, 1);
  EXPECT_EQ(table.find(addr("10.2.9.9"))->port, 2);
  EXPECT_EQ(table.find(addr("8.8.8.8"))->port, 0);
}

TEST(RouteTable, with_many_routes_finds_what_it_finds_with_few) {
  std::vector<Route> few = {{*Prefix::parse("0.0.0.0/0"), addr("1.1.1.1"), 0},
                            {*Prefix::parse("10.1.0.0/16"), addr("2.2.2.2"), 1},
                            {*Prefix::parse("10.0.0.0/8"), addr("3.3.3.3"), 2},
                            {*Prefix::parse("10.1.0.9/16"), addr("4.4.4.4"), 3},
                            {*Prefix::parse("2001:db8::/33"), addr("2001:db8::1"), 4},
                            {*Prefix::parse("::/0"), addr("2001:db8::2"), 5}};
  std::vector<Route> many = few;
  for (uint32_t i = 0; i < 1'000; ++i)
    many.push_back({{Address::v4(0xac100000 + (i << 8)), 120}, addr("9.9.9.9"), 9});
  const RouteTable small(few), large(many);
  for (const char* text : {"10.1.9.9", "10.2.9.9", "8.8.8.8", "10.1.0.0", "2001:db8:1::1",
                           "2001:db8:8000::1", "2001:db9::1", "::1"})
    EXPECT_EQ(large.find(addr(text))->port, small.find(addr(text))->port) << text;
  EXPECT_EQ(large.find(addr("172.16.7.77"))->port, 9);
  few.erase(few.begin());
  many.erase(many.begin());
  EXPECT_EQ(RouteTable(many).find(addr("8.8.8.8")), nullptr);
}

TEST_F(HostTest, learned_routes_come_after_its_own_and_are_replaced) {
  const std::vector<Route> first = {{*Prefix::parse("10.244.1.0/24"), addr("198.18.1.101"), 1},
                                    {*Prefix::parse("10.0.0.0/8"), addr("198.18.0.1"), 0},
                                    {*Prefix::parse("10.244.2.0/24"), addr("198.18.1.1"), 7}};
  host.set_learned_routes(first);
  EXPECT_EQ(*host.next_hop(addr("10.244.1.7"))->address, addr("198.18.1.101"));
  EXPECT_EQ(host.port_to(addr("10.9.9.9")), 1u) << "the port's own route";
  EXPECT_EQ(*host.next_hop(addr("10.244.2.7"))->address, addr("198.18.1.254"))
      << "there is no such port";
  const uint64_t before = host.generation();
  host.set_learned_routes({});
  EXPECT_NE(host.generation(), before);
  EXPECT_EQ(*host.next_hop(addr("10.244.1.7"))->address, addr("198.18.1.254"));
}

}  // namespace
}  // namespace sluice::ip
