// What a peer or a stranger may do to a connection on purpose: each has a counter, and a bound on
// what it costs. SYN floods and ICMP: guards_test.cc.

#include "base/random.h"
#include "fixture.h"

namespace sluice::test {
namespace {

using tcp::CloseReason;
using Attacks = TcpTest;

// Blind injection (RFC 5961)

TEST_F(Attacks, only_a_reset_at_the_exact_number_resets) {
  accept();
  send({.flags = RST, .seq = 2});
  expect({.seq = 1, .ack = 1});
  EXPECT_FALSE(owner.closed);
  send({.flags = RST, .seq = 1});
  EXPECT_EQ(owner.closed, CloseReason::kReset);
  EXPECT_EQ(counters.challenge_acks.get(), 1u);
}

TEST_F(Attacks, a_reset_outside_of_the_window_is_nothing) {
  accept();
  send({.flags = RST, .seq = 5'000'000});
  expect_silence();
  EXPECT_FALSE(owner.closed);
}

TEST_F(Attacks, a_syn_is_challenged) {
  accept();
  send({.flags = SYN, .seq = 1});
  expect({.seq = 1, .ack = 1});
  EXPECT_FALSE(owner.closed);
}

TEST_F(Attacks, challenges_are_limited) {
  config.challenge_acks = 10;
  accept();
  for (int i = 0; i < 100; ++i) send({.flags = RST, .seq = 2});
  EXPECT_EQ(wire.sent.size(), 10u);
  EXPECT_EQ(counters.challenge_limited.get(), 90u);
  wire.sent.clear();
}

TEST_F(Attacks, an_ack_of_unsent_data_is_challenged_and_moves_nothing) {
  accept();
  write(100);
  expect({.length = 100});
  send({.seq = 1, .ack = 500});
  expect({.seq = 101, .ack = 1});
  EXPECT_EQ(counters.bad_acks.get(), 1u);
  EXPECT_EQ(owner.connection->acknowledged(), 0u);
}

TEST_F(Attacks, a_sack_of_unsent_data_is_ignored) {
  accept();
  write(100);
  expect({.length = 100});
  send({.seq = 1, .ack = 1, .sacks = {{50'000, 60'000}}});
  EXPECT_EQ(counters.bad_sacks.get(), 1u);
  EXPECT_EQ(owner.connection->in_flight(), 100u);
}

TEST_F(Attacks, two_stacks_that_disagree_do_not_storm_each_other_with_acks) {
  accept();
  for (int i = 0; i < 1000; ++i) send({.seq = 4'000'000'000u, .ack = 1});
  EXPECT_LE(wire.sent.size(), 1u);
  wire.sent.clear();
}

TEST_F(Attacks, ten_thousand_blind_segments_end_nothing_and_cost_a_bounded_number_of_answers) {
  config.challenge_acks = 20;
  accept();
  write(100);
  wire.sent.clear();
  Random random(7);
  for (uint32_t i = 0; i < 10'000; ++i) {
    // As many in the window, where only the numbers differ, as anywhere.
    const auto any = static_cast<uint32_t>(random.next());
    const uint32_t seq = i % 2 == 0 ? any : 2 + any % 60'000;
    constexpr uint8_t kFlags[] = {RST, SYN, ACK, SYN | ACK, RST | ACK, FIN | ACK};
    send({.flags = kFlags[i % 6], .seq = seq, .ack = 200'000 + any % 2'000'000'000});
  }
  EXPECT_FALSE(owner.closed);
  EXPECT_FALSE(owner.end_of_data);
  EXPECT_EQ(owner.connection->acknowledged(), 0u);
  EXPECT_LE(wire.sent.size(), 20u + 1);
  EXPECT_EQ(counters.challenge_acks.get(), 20u);
  EXPECT_GE(counters.challenge_limited.get(), 1000u);
  EXPECT_GE(counters.bad_acks.get(), 1000u);
  wire.sent.clear();
}

// ACKs and SACKs that lie

TEST_F(Attacks, optimistic_acks_of_what_was_not_sent_open_no_window) {
  accept();
  write(30 * 1460);
  wire.sent.clear();
  const uint32_t window = owner.connection->congestion_window();
  for (uint32_t i = 1; i <= 1000; ++i) send({.seq = 1, .ack = 1 + 10 * 1460 + i * 1460});
  EXPECT_EQ(counters.bad_acks.get(), 1000u);
  EXPECT_EQ(owner.connection->congestion_window(), window);
  EXPECT_EQ(owner.connection->in_flight(), 10u * 1460);
  for (const Wire::Sent& s : wire.sent) EXPECT_EQ(s.data.size(), 0u);
  wire.sent.clear();
}

TEST_F(Attacks, an_ack_cut_into_single_bytes_opens_the_window_by_bytes) {
  accept();
  write(30 * 1460);
  const uint32_t window = owner.connection->congestion_window();
  for (uint32_t i = 1; i <= 1460; ++i) send({.seq = 1, .ack = 1 + i});
  EXPECT_LE(owner.connection->congestion_window(), window + 1460);
  EXPECT_LE(wire.sent.size(), 10u + 2);
  wire.sent.clear();
}

TEST_F(Attacks, forged_duplicate_acks_send_no_more_than_the_peers_window) {
  accept({.flags = SYN, .seq = 0, .window = 30'000, .mss = 1460});
  write(200'000);
  for (int i = 0; i < 10'000; ++i) send({.seq = 1, .ack = 1, .window = 30'000});
  size_t bytes = 0;
  for (const Wire::Sent& s : wire.sent) {
    EXPECT_LE(s.header.seq - stack_isn + s.data.size(), 30'001u);
    bytes += s.data.size();
  }
  EXPECT_LE(bytes, 2 * 30'000u);
  EXPECT_EQ(counters.fast_recoveries.get(), 1u);
  wire.sent.clear();
}

TEST_F(Attacks, sacks_of_nonsense_are_counted_and_change_nothing) {
  accept();
  write(10 * 1460);
  wire.sent.clear();
  Random random(3);
  for (int i = 0; i < 1000; ++i) {
    const uint32_t begin = 20'000 + static_cast<uint32_t>(random.below(1'000'000'000));
    send({.seq = 1, .ack = 1, .sacks = {{begin, begin + 1460}, {begin + 5000, begin + 4000}}});
  }
  EXPECT_EQ(counters.bad_sacks.get(), 2000u);
  EXPECT_EQ(owner.connection->in_flight(), 10u * 1460);
  expect_silence();
}

// Small things in great numbers

TEST_F(Attacks, a_tiny_mss_is_not_believed_and_counted) {
  send({.flags = SYN, .seq = 0, .mss = 1});
  expect({.flags = SYN | ACK});
  send({.seq = 1, .ack = 1});
  EXPECT_EQ(counters.tiny_mss.get(), 1u);
  EXPECT_EQ(owner.connection->segment_size(), config.min_mss);
  write(config.min_mss * 4);
  EXPECT_EQ(wire.sent.size(), 4u);
  wire.sent.clear();
}

TEST_F(Attacks, tiny_windows_are_filled_by_a_timer_and_not_as_fast_as_they_are_offered) {
  accept({.flags = SYN, .seq = 0, .window = 1, .mss = 1460});
  write(10'000);
  uint32_t acked = 1;
  size_t sent = 0;
  for (int ms = 0; ms < 10'000; ++ms) {
    after(1ms);
    for (; !wire.sent.empty(); wire.sent.pop_front()) {
      sent += 1;
      acked = std::max(acked, wire.sent.front().header.seq - stack_isn +
                                  static_cast<uint32_t>(wire.sent.front().data.size()));
    }
    send({.seq = 1, .ack = acked, .window = 1});
  }
  EXPECT_FALSE(owner.closed);
  EXPECT_GE(sent, 5u);  // a peer that has no more gets it nevertheless
  EXPECT_LE(sent, 100u);
  EXPECT_GE(counters.tiny_windows.get(), 5u);
  wire.sent.clear();
}

TEST_F(Attacks, a_flood_of_islands_holds_few_buffers_and_answers_once_each) {
  config.max_out_of_order_ranges = 64;
  accept();
  const unsigned before = rte_mempool_avail_count(rx_pool) + rte_mempool_avail_count(hold_pool);
  Random random(11);
  for (int i = 0; i < 10'000; ++i)
    send({.seq = 2 + static_cast<uint32_t>(random.below(60'000)), .ack = 1, .data = "x"});
  const unsigned held =
      before - rte_mempool_avail_count(rx_pool) - rte_mempool_avail_count(hold_pool);
  EXPECT_LE(held, config.receive_buffer / 2048 + 64);
  EXPECT_GT(counters.out_of_order_dropped.get(), 5000u);
  EXPECT_LE(wire.sent.size(), 10'000u * 2);
  EXPECT_EQ(owner.received, "");
  EXPECT_FALSE(owner.closed);
  wire.sent.clear();
}

// Peers that do not go on

TEST_F(Attacks, handshakes_left_half_open_are_forgotten) {
  config.max_half_open = 100;
  for (uint16_t i = 0; i < 1000; ++i) {
    there.port = static_cast<uint16_t>(1000 + i);
    send({.flags = SYN, .seq = 0, .mss = 1460});
    ASSERT_LE(stack().half_open(), 100u);
  }
  EXPECT_EQ(counters.half_open_overflow.get(), 900u);
  EXPECT_EQ(stack().connections(), 0u);
  after(30s);
  EXPECT_EQ(stack().half_open(), 0u);
  EXPECT_EQ(counters.half_open_expired.get(), 100u);
  wire.sent.clear();
}

TEST_F(Attacks, peers_that_never_end_their_half_are_given_up_and_counted) {
  config.fin_wait_2 = 20s;
  for (uint16_t i = 0; i < 100; ++i) {
    there.port = static_cast<uint16_t>(1000 + i);
    accept();
    owner.connection->close();
    flush();
    wire.sent.clear();
    send({.seq = 1, .ack = 2});
  }
  EXPECT_EQ(stack().connections(), 100u);
  after(21s);
  EXPECT_EQ(stack().connections(), 0u);
  EXPECT_EQ(counters.timeouts.get(), 100u);
  wire.sent.clear();
}

TEST_F(Attacks, a_window_that_stays_shut_costs_a_probe_now_and_then) {
  accept();
  send({.seq = 1, .ack = 1, .window = 0});
  write(500);
  for (int second = 0; second < 600; ++second) {
    after(1s);
    if (wire.sent.empty()) continue;
    wire.sent.clear();
    send({.seq = 1, .ack = 1, .window = 0});
  }
  EXPECT_FALSE(owner.closed);
  EXPECT_GE(counters.window_probes.get(), 8u);
  EXPECT_LE(counters.window_probes.get(), 30u);
  wire.sent.clear();
}

}  // namespace
}  // namespace sluice::test
