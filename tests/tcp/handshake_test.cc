// LISTEN, SYN-RECEIVED and SYN-SENT (RFC 9293, 3.10.7.2 to 3.10.7.4).

#include "fixture.h"

namespace sluice::test {
namespace {

using tcp::CloseReason;
using Listen = TcpTest;
using SynReceived = TcpTest;
using SynSent = TcpTest;

const Seg kSyn{.flags = SYN, .seq = 0, .window = 65535, .mss = 1460};

// LISTEN

TEST_F(Listen, a_syn_is_answered_with_what_both_sides_can_do) {
  send({.flags = SYN, .seq = 0, .mss = 1460, .scale = 7, .sack_permitted = true, .ts = 77});
  const auto a =
      expect({.flags = SYN | ACK, .seq = 0, .ack = 1, .mss = 1460, .scale = 7, .echo = 77});
  EXPECT_TRUE(a.header.options.sack_permitted);
}

TEST_F(Listen, a_syn_without_options_gets_an_answer_without_them) {
  send({.flags = SYN, .seq = 0});
  const auto a = expect({.flags = SYN | ACK, .seq = 0, .ack = 1});
  EXPECT_FALSE(a.header.options.scale);
  EXPECT_FALSE(a.header.options.sack_permitted);
  EXPECT_FALSE(a.header.options.timestamps);
}

TEST_F(Listen, an_ack_is_answered_with_a_reset_at_its_number) {
  send({.seq = 5, .ack = 900});
  expect({.flags = RST, .seq = 900});
}

TEST_F(Listen, a_reset_is_never_answered) {
  send({.flags = RST, .seq = 5});
  send({.flags = RST | ACK, .seq = 5, .ack = 3});
  expect_silence();
}

TEST_F(Listen, a_syn_to_a_closed_port_is_reset) {
  port_here = 1;
  send(kSyn);
  expect({.flags = RST | ACK, .ack = 1});
}

TEST_F(Listen, a_syn_with_fin_is_refused) {
  send({.flags = SYN | FIN, .seq = 0});
  expect({.flags = RST | ACK, .ack = 2});
  EXPECT_EQ(stack().half_open(), 0u);
}

TEST_F(Listen, a_wildcard_address_accepts_for_all_of_its_port) {
  listening = false;
  ASSERT_TRUE(stack().listen({Address{}, 50051}, &owner));
  EXPECT_FALSE(stack().listen({Address{}, 50051}, &owner));
  accept();
}

// SYN-RECEIVED

TEST_F(SynReceived, the_last_ack_makes_a_connection) {
  accept();
  EXPECT_EQ(owner.accepted, 1);
  EXPECT_EQ(stack().connections(), 1u);
  EXPECT_EQ(stack().half_open(), 0u);
  EXPECT_TRUE(owner.connection->established());
}

TEST_F(SynReceived, data_on_the_last_ack_is_delivered) {
  send(kSyn);
  expect({.flags = SYN | ACK});
  send({.seq = 1, .ack = 1, .data = "hello"});
  EXPECT_EQ(owner.received, "hello");
}

TEST_F(SynReceived, a_repeated_syn_gets_the_same_answer) {
  send(kSyn);
  const auto a = expect({.flags = SYN | ACK, .ack = 1});
  send(kSyn);
  const auto b = expect({.flags = SYN | ACK, .ack = 1});
  EXPECT_EQ(a.header.seq, b.header.seq);
  EXPECT_EQ(stack().half_open(), 1u);
}

// RFC 3168, 6.1.1: a SYN without ECN after one with it says that something on the way minds.
TEST_F(SynReceived, a_repeated_syn_without_ecn_is_answered_without_it) {
  config.ecn = true;
  send({.flags = SYN | ECE | CWR, .seq = 0, .mss = 1460});
  expect({.flags = SYN | ACK | ECE, .ack = 1});
  send({.flags = SYN, .seq = 0, .mss = 1460});
  expect({.flags = SYN | ACK, .ack = 1});
  send({.seq = 1, .ack = 1});
  write(100);
  EXPECT_EQ(expect({.seq = 1, .length = 100}).tos & 3, 0);
}

// RFC 7323, 4.3: or the peer would measure a round trip that begins with its first SYN.
TEST_F(SynReceived, a_repeated_syn_is_answered_with_its_own_timestamp) {
  send({.flags = SYN, .seq = 0, .mss = 1460, .ts = 100});
  expect({.flags = SYN | ACK, .ack = 1, .echo = 100});
  after(900ms);
  send({.flags = SYN, .seq = 0, .mss = 1460, .ts = 1000});
  expect({.flags = SYN | ACK, .ack = 1, .echo = 1000});
  send({.flags = SYN, .seq = 0, .mss = 1460, .ts = 100});  // the first one, overtaken
  expect({.flags = SYN | ACK, .ack = 1, .echo = 1000});
}

TEST_F(SynReceived, the_syn_ack_is_repeated_and_then_forgotten) {
  send(kSyn);
  expect({.flags = SYN | ACK});
  after(1001ms);
  expect({.flags = SYN | ACK});
  after(2001ms);
  expect({.flags = SYN | ACK});
  after(4001ms);
  expect({.flags = SYN | ACK});
  after(20s);
  expect_silence();
  EXPECT_EQ(stack().half_open(), 0u);
  EXPECT_EQ(counters.half_open_expired.get(), 1u);
}

TEST_F(SynReceived, an_ack_of_something_else_is_reset) {
  send(kSyn);
  expect({.flags = SYN | ACK});
  send({.seq = 1, .ack = 2});
  expect({.flags = RST, .seq = 2});
  EXPECT_EQ(owner.accepted, 0);
}

TEST_F(SynReceived, only_an_exact_reset_ends_it) {
  send(kSyn);
  expect({.flags = SYN | ACK});
  send({.flags = RST, .seq = 100});
  expect({.seq = 1, .ack = 1});
  EXPECT_EQ(stack().half_open(), 1u);
  send({.flags = RST, .seq = 1});
  expect_silence();
  EXPECT_EQ(stack().half_open(), 0u);
}

TEST_F(SynReceived, an_owner_may_refuse) {
  owner.refuse = true;
  send(kSyn);
  expect({.flags = SYN | ACK});
  send({.seq = 1, .ack = 1});
  expect({.flags = RST | ACK, .seq = 1});
  EXPECT_EQ(stack().connections(), 0u);
}

TEST_F(SynReceived, a_handshake_that_outlives_its_listener_is_reset) {
  send(kSyn);
  expect({.flags = SYN | ACK});
  stack().unlisten(here);
  send({.seq = 1, .ack = 1});
  expect({.flags = RST, .seq = 1});
  EXPECT_EQ(stack().half_open(), 0u);
}

// SYN-SENT

TEST_F(SynSent, a_syn_ack_establishes) {
  connected();
  EXPECT_EQ(stack().connections(), 1u);
}

TEST_F(SynSent, the_syn_offers_everything) {
  connect();
  const auto syn = expect({.flags = SYN, .seq = 0, .mss = 1460, .scale = 7});
  EXPECT_TRUE(syn.header.options.sack_permitted);
  EXPECT_TRUE(syn.header.options.timestamps);
}

TEST_F(SynSent, a_refusal_ends_it_at_once) {
  connect();
  expect({.flags = SYN});
  send({.flags = RST | ACK, .seq = 0, .ack = 1});
  EXPECT_EQ(owner.closed, CloseReason::kReset);
  EXPECT_EQ(stack().connections(), 0u);
}

TEST_F(SynSent, a_blind_reset_is_ignored) {
  connect();
  expect({.flags = SYN});
  send({.flags = RST, .seq = 0});
  send({.flags = RST | ACK, .seq = 0, .ack = 7});
  EXPECT_FALSE(owner.closed);
}

TEST_F(SynSent, an_ack_of_something_never_sent_is_reset) {
  connect();
  expect({.flags = SYN});
  send({.flags = SYN | ACK, .seq = 0, .ack = 5});
  expect({.flags = RST, .seq = 5});
  expect({.flags = SYN, .seq = 0});
  EXPECT_FALSE(owner.closed);
}

// A restart met this: the pod has the connection of the process before.
TEST_F(SynSent, a_peer_that_has_the_connection_before_is_reset_and_asked_again_at_once) {
  config.ecn = true;
  connect();
  expect({.flags = SYN | ECE | CWR, .seq = 0});
  after(10ms);
  send({.seq = 700, .ack = 5000});  // its challenge ACK (RFC 5961, 4)
  expect({.flags = RST, .seq = 5000});
  expect({.flags = SYN | ECE | CWR, .seq = 0});
  after(10ms);
  send({.flags = SYN | ACK | ECE, .seq = 0, .ack = 1, .mss = 1460});
  EXPECT_TRUE(owner.established);
  EXPECT_EQ(counters.connect_again.get(), 1u);
  expect({.seq = 1, .ack = 1});
  write(100);
  EXPECT_EQ(expect({.seq = 1, .length = 100}).tos & 3, 2);
}

TEST_F(SynSent, a_peer_that_never_forgets_is_asked_again_at_once_but_once) {
  connect();
  expect({.flags = SYN, .seq = 0});
  send({.seq = 700, .ack = 5000});
  expect({.flags = RST, .seq = 5000});
  expect({.flags = SYN, .seq = 0});
  for (int i = 0; i < 10; ++i) {
    send({.seq = 700, .ack = 5000});
    expect({.flags = RST, .seq = 5000});
    expect_silence();
  }
  EXPECT_EQ(counters.connect_again.get(), 1u);
}

TEST_F(SynSent, the_syn_is_repeated_until_the_connect_timeout) {
  config.connect_timeout = 5s;
  connect();
  expect({.flags = SYN, .seq = 0});
  after(1001ms);
  expect({.flags = SYN, .seq = 0});
  after(2001ms);
  expect({.flags = SYN, .seq = 0});
  after(2001ms);
  EXPECT_EQ(owner.closed, CloseReason::kTimeout);
  expect_silence();
}

TEST_F(SynSent, a_neighbour_that_does_not_resolve_fails_the_connect_fast) {
  wire.answer = ip::Sent::kUnreachable;
  connect();
  EXPECT_EQ(owner.closed, CloseReason::kUnreachable);
}

TEST_F(SynSent, without_a_route_there_is_no_connection) {
  wire.routed = false;
  EXPECT_EQ(stack().connect({}, there, &owner, now), nullptr);
}

TEST_F(SynSent, a_port_without_buffers_is_asked_again_in_a_moment) {
  wire.answer = ip::Sent::kNoMemory;
  connect();
  EXPECT_FALSE(owner.closed);
  wire.answer = ip::Sent::kYes;
  after(3ms);
  expect({.flags = SYN});
}

TEST_F(SynSent, both_sides_may_open_at_the_same_time) {
  connect();
  expect({.flags = SYN, .seq = 0});
  send({.flags = SYN, .seq = 0, .mss = 1460});
  expect({.flags = SYN | ACK, .seq = 0, .ack = 1});
  send({.flags = SYN | ACK, .seq = 0, .ack = 1});
  EXPECT_TRUE(owner.established);
  write(10);
  expect({.seq = 1, .ack = 1, .length = 10});
}

TEST_F(SynSent, source_ports_run_out_and_say_so) {
  config.first_ephemeral_port = 40'000;
  config.last_ephemeral_port = 40'001;
  EXPECT_NE(stack().connect({}, there, &owner, now), nullptr);
  EXPECT_NE(stack().connect({}, there, &owner, now), nullptr);
  EXPECT_EQ(stack().connect({}, there, &owner, now), nullptr);
  EXPECT_EQ(counters.port_exhausted.get(), 1u);
}

// The second of three workers, which the answers to `arrives` reach.
struct Siblings : tcp::Siblings {
  Share share() const override { return {1, 3}; }
  bool arrives_here(const Endpoint& local, const Endpoint&) const override {
    ++asked;
    return arrives(local.port);
  }
  bool hand_over(const Endpoint&, const Endpoint&, tcp::Received& segment) override {
    handed_over.push_back(std::move(segment));
    return true;
  }

  bool (*arrives)(uint16_t port) = [](uint16_t) { return true; };
  mutable int asked = 0;
  std::vector<tcp::Received> handed_over;
};

TEST_F(Listen, a_segment_without_a_flow_is_offered_to_its_worker_before_it_is_reset) {
  Siblings siblings;
  stack().set_siblings(&siblings);
  send({.seq = 5, .ack = 900, .length = 10});
  expect_silence();
  ASSERT_EQ(siblings.handed_over.size(), 1u);
  EXPECT_EQ(siblings.handed_over[0].segment.size(), 30u);  // with its TCP header
  siblings.handed_over.clear();
}

TEST_F(SynSent, a_worker_uses_source_ports_of_its_own_share) {
  Siblings siblings;
  stack().set_siblings(&siblings);
  config.first_ephemeral_port = 40'000;
  for (int i = 0; i < 50; ++i) {
    tcp::Connection* c = stack().connect({}, there, &owner, now);
    ASSERT_NE(c, nullptr);
    EXPECT_EQ(c->local().port % 3, 1);
  }
}

TEST_F(SynSent, a_share_without_a_port_in_the_range_has_none) {
  config.first_ephemeral_port = 40'001;  // remainders 2 and 0
  config.last_ephemeral_port = 40'002;
  Siblings siblings;
  stack().set_siblings(&siblings);
  EXPECT_EQ(stack().connect({}, there, &owner, now), nullptr);
  EXPECT_EQ(counters.port_exhausted.get(), 1u);
}

TEST_F(SynSent, source_ports_whose_answers_arrive_at_the_worker_are_preferred) {
  Siblings siblings;
  siblings.arrives = [](uint16_t port) { return port % 2 == 0; };
  stack().set_siblings(&siblings);
  for (int i = 0; i < 50; ++i) {
    tcp::Connection* c = stack().connect({}, there, &owner, now);
    ASSERT_NE(c, nullptr);
    EXPECT_EQ(c->local().port % 6, 4);
  }
}

TEST_F(SynSent, a_port_whose_answers_arrive_elsewhere_is_taken_after_a_bounded_search) {
  Siblings siblings;
  siblings.arrives = [](uint16_t) { return false; };
  stack().set_siblings(&siblings);
  EXPECT_NE(stack().connect({}, there, &owner, now), nullptr);
  EXPECT_LE(siblings.asked, 256);
}

TEST_F(SynSent, a_listeners_endpoint_is_no_source_port_where_there_are_siblings) {
  config.first_ephemeral_port = 40'000;
  config.last_ephemeral_port = 40'002;
  Siblings siblings;
  stack().set_siblings(&siblings);
  ASSERT_TRUE(stack().listen({{}, 40'000}, &owner));  // the only one of the share
  EXPECT_EQ(stack().connect({}, there, &owner, now), nullptr);
}

// Connections that were opened one after another have neighbouring ports.
TEST_F(SynSent, a_long_run_of_taken_ports_hides_the_free_ones_behind_it_from_nobody) {
  config.first_ephemeral_port = 10'000;
  config.last_ephemeral_port = 29'999;
  std::vector<tcp::Connection*> old;
  for (int i = 0; i < 18'000; ++i) old.push_back(stack().connect({}, there, &owner, now));
  for (int i = 0; i < 1'000; ++i) {  // the first ones end
    ASSERT_NE(old[static_cast<size_t>(i)], nullptr);
    old[static_cast<size_t>(i)]->abort();
  }
  flush();
  wire.sent.clear();
  for (int i = 0; i < 2'500; ++i) {
    ASSERT_NE(stack().connect({}, there, &owner, now), nullptr) << i;
  }
  EXPECT_EQ(counters.port_exhausted.get(), 0u);
  flush();
  wire.sent.clear();
}

}  // namespace
}  // namespace sluice::test
