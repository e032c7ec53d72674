// What a peer or a stranger may do to a connection on purpose: each has a counter, and a bound on
// what it costs. SYN floods and ICMP: guards_test.cc.

#include <chrono>
#include <set>

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

TEST_F(Attacks, challenges_are_limited_for_a_connection) {
  accept();
  for (int i = 0; i < 100; ++i) send({.flags = RST, .seq = 2});
  EXPECT_EQ(wire.sent.size(), 1u);
  EXPECT_EQ(counters.challenge_limited.get(), 99u);
  after(config.challenge_interval);
  send({.flags = RST, .seq = 2});
  EXPECT_EQ(wire.sent.size(), 2u);
  wire.sent.clear();
}

// CVE-2016-5696: a stranger who provokes his own share of a fixed number counts who else took some.
TEST_F(Attacks, challenges_of_all_connections_are_limited_to_a_number_that_changes) {
  config.challenge_acks = 20;
  for (uint16_t i = 0; i < 100; ++i) {
    there.port = static_cast<uint16_t>(1000 + i);
    accept();
  }
  std::set<size_t> numbers;
  for (int second = 0; second < 20; ++second) {
    after(1s);
    for (uint16_t i = 0; i < 100; ++i) {
      there.port = static_cast<uint16_t>(1000 + i);
      send({.flags = RST, .seq = 2});
    }
    EXPECT_GE(wire.sent.size(), 10u);
    EXPECT_LE(wire.sent.size(), 30u);
    numbers.insert(wire.sent.size());
    wire.sent.clear();
  }
  EXPECT_GE(numbers.size(), 5u);
}

TEST_F(Attacks, answers_of_time_wait_and_handshakes_are_not_taken_from_what_connections_have) {
  config.challenge_acks = 2;
  for (uint16_t i = 0; i < 100; ++i) {
    there.port = static_cast<uint16_t>(1000 + i);
    send({.flags = SYN, .seq = 0, .mss = 1460});
    expect({.flags = SYN | ACK});
    for (int k = 0; k < 3; ++k) send({.flags = RST, .seq = 2});
    EXPECT_EQ(wire.sent.size(), 1u);
    wire.sent.clear();
  }
  for (uint16_t i = 0; i < 100; ++i) {
    there.port = static_cast<uint16_t>(2000 + i);
    accept();
    owner.connection->close();
    flush();
    wire.sent.clear();
    send({.flags = FIN | ACK, .seq = 1, .ack = 2});
    wire.sent.clear();
    for (int k = 0; k < 3; ++k) send({.seq = 1, .ack = 2, .data = "x"});
    EXPECT_EQ(wire.sent.size(), 1u);
    wire.sent.clear();
  }
  EXPECT_EQ(stack().time_wait(), 100u);
  there.port = 3000;
  accept();
  send({.flags = RST, .seq = 2});
  expect({.seq = 1, .ack = 1});
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
  EXPECT_LE(wire.sent.size(), 1u + 1);
  EXPECT_EQ(counters.challenge_acks.get(), 1u);
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
  EXPECT_LE(held, 1u);
  EXPECT_GE(owner.connection->out_of_order_buffers(), held);
  EXPECT_GT(counters.out_of_order_dropped.get(), 5000u);
  EXPECT_LE(wire.sent.size(), 10'000u * 2);
  EXPECT_EQ(owner.received, "");
  EXPECT_FALSE(owner.closed);
  wire.sent.clear();
}

// 1.4 MB stopped the service: each byte pinned a packet buffer, for as long as the peer liked.
TEST_F(Attacks,
       bytes_with_gaps_between_them_on_many_connections_pin_next_to_nothing_and_not_for_long) {
  const auto free = [] {
    return rte_mempool_avail_count(rx_pool) + rte_mempool_avail_count(hold_pool);
  };
  const unsigned before = free();
  uint32_t counted = 0;
  for (uint16_t i = 0; i < 130; ++i) {
    there.port = static_cast<uint16_t>(1000 + i);
    accept();
    for (uint32_t k = 0; k < 192; ++k) send({.seq = 3 + 2 * k, .ack = 1, .data = "x"});
    counted += owner.connection->out_of_order_buffers();
    wire.sent.clear();
  }
  EXPECT_EQ(counters.out_of_order.get(), 130u * 192);
  EXPECT_LE(before - free(), 130u);
  EXPECT_GE(counted, before - free());
  after(config.out_of_order_age + 1s);
  EXPECT_EQ(free(), before);
  EXPECT_EQ(counters.out_of_order_expired.get(), 130u * 192);
  EXPECT_EQ(stack().connections(), 130u);
}

TEST_F(Attacks, data_behind_a_gap_that_was_dropped_for_its_age_is_taken_when_it_is_sent_again) {
  accept();
  send({.seq = 4, .ack = 1, .data = "def"});
  expect({.ack = 1, .sacks = {{4, 7}}});
  after(6s);
  send({.seq = 10, .ack = 1, .data = "jkl"});
  expect({.ack = 1, .sacks = {{10, 13}, {4, 7}}});
  after(5s);  // the first is too old, the second is not
  send({.seq = 1, .ack = 1, .data = "abc"});
  EXPECT_EQ(owner.received, "abc");
  expect({.ack = 4, .sacks = {{10, 13}}});
  send({.seq = 4, .ack = 1, .data = "defghi"});
  EXPECT_EQ(owner.received, "abcdefghijkl");
  expect({.ack = 13});
  EXPECT_EQ(counters.out_of_order_expired.get(), 1u);
  after(60s);
  expect_silence();
}

TEST_F(Attacks,
       when_memory_is_short_data_ahead_of_a_gap_goes_first_and_that_of_the_worst_before_the_rest) {
  accept();
  tcp::Connection& modest = *owner.connection;
  send({.seq = 1001, .ack = 1, .length = 1000});
  wire.sent.clear();
  there.port = 1000;
  accept();
  tcp::Connection& greedy = *owner.connection;
  for (uint32_t i = 1; i < 60; ++i) send({.seq = 1 + i * 1000, .ack = 1, .length = 1000});
  wire.sent.clear();
  EXPECT_EQ(modest.out_of_order_buffers(), 1u);
  EXPECT_GE(greedy.out_of_order_buffers(), 29u);

  std::vector<buf::Slice> others;
  for (memory.refresh(); memory.roomy(); memory.refresh()) others.push_back(memory.hold().alloc());
  flush();
  EXPECT_EQ(greedy.out_of_order_buffers(), 0u);
  EXPECT_EQ(modest.out_of_order_buffers(), 1u);
  EXPECT_EQ(counters.out_of_order_shed.get(), 1u);

  // Nothing more is kept while it stays short; data in order is taken as ever.
  for (memory.refresh(); memory.roomy(); memory.refresh()) others.push_back(memory.hold().alloc());
  for (int i = 0; i < 4; ++i) others.push_back(memory.hold().alloc());
  send({.seq = 1001, .ack = 1, .length = 1000});
  EXPECT_EQ(greedy.out_of_order_buffers() + modest.out_of_order_buffers(), 0u);
  EXPECT_EQ(counters.memory_drops.get(), 1u);
  send({.seq = 1, .ack = 1, .length = 1000});
  EXPECT_EQ(owner.received.size(), 1000u);
  EXPECT_FALSE(owner.closed);
  wire.sent.clear();
}

TEST_F(Attacks, data_ahead_of_a_gap_in_the_largest_window_holds_a_share_of_all_buffers) {
  config.receive_buffer = config.receive_buffer_max;
  accept(
      {.flags = SYN, .seq = 0, .window = 65535, .mss = 1460, .scale = 7, .sack_permitted = true});
  for (uint32_t i = 1; i < 800; ++i) send({.seq = 1 + i * 1100, .ack = 1, .length = 1100});
  const uint32_t share = memory.buffers() / config.max_out_of_order_share;
  EXPECT_GE(owner.connection->out_of_order_buffers(), share);
  EXPECT_LE(owner.connection->out_of_order_buffers(), share + 1);  // a piece, and its record
  EXPECT_GT(counters.out_of_order_dropped.get(), 100u);
  wire.sent.clear();
}

// Four blocks that cover no segment whole, each of them far from the one before: 200 times the work
// of an ACK.
TEST_F(Attacks, sack_blocks_that_cover_nothing_cost_a_bounded_search) {
  accept({.flags = SYN, .seq = 0, .window = 65535, .mss = 88, .scale = 7, .sack_permitted = true});
  uint32_t acked = 1;
  while (owner.connection->congestion_window() < 600'000) {
    write(owner.connection->congestion_window());
    for (const Wire::Sent& s : wire.sent)
      acked = std::max(acked, s.header.seq - stack_isn + static_cast<uint32_t>(s.data.size()));
    wire.sent.clear();
    now += 1ms;
    send({.seq = 1, .ack = acked});
  }
  write(600'000);
  wire.sent.clear();
  const uint32_t in_flight = owner.connection->in_flight();
  ASSERT_GT(in_flight, 500'000u);

  Random random(3);
  constexpr int kAcks = 500;
  const auto cost = [&](bool attack) {
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < kAcks; ++i) {
      Seg ack{.seq = 1, .ack = acked};
      for (int b = 0; b < 4; ++b) {
        const uint32_t begin =
            attack ? acked + 1 + static_cast<uint32_t>(random.below(in_flight - 100)) : acked + 1;
        ack.sacks.push_back({begin, begin + 1});
      }
      send(ack);
    }
    return std::chrono::steady_clock::now() - began;
  };
  // The least of several: a machine that is busy elsewhere only ever adds.
  auto honest = cost(false);
  auto attack = cost(true);
  for (int i = 0; i < 10; ++i) {
    honest = std::min(honest, cost(false));
    attack = std::min(attack, cost(true));
  }
  RecordProperty("times", static_cast<int>(attack / honest));
  EXPECT_LT(attack, 6 * honest);
  EXPECT_GE(counters.sack_walks_cut.get(), 1000u);
  EXPECT_EQ(owner.connection->in_flight(), in_flight);
  wire.sent.clear();
}

// All of a window left in one moment: what was sent behind the newest that arrived was looked at
// again with every ACK.
TEST_F(Attacks, acks_do_not_walk_what_left_in_the_same_moment_as_the_newest) {
  accept({.flags = SYN, .seq = 0, .window = 65535, .mss = 88, .scale = 7, .sack_permitted = true});
  uint32_t acked = 1;
  while (owner.connection->congestion_window() < 600'000) {
    write(owner.connection->congestion_window());
    for (const Wire::Sent& s : wire.sent)
      acked = std::max(acked, s.header.seq - stack_isn + static_cast<uint32_t>(s.data.size()));
    wire.sent.clear();
    now += 1ms;
    send({.seq = 1, .ack = acked});
  }
  const auto cost = [&] {
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < 500; ++i) send({.seq = 1, .ack = acked, .sacks = {{acked + 1, acked + 2}}});
    return std::chrono::steady_clock::now() - began;
  };
  write(200 * 88);
  auto few = cost();
  for (int i = 0; i < 10; ++i) few = std::min(few, cost());
  write(600'000);
  wire.sent.clear();
  now += 1ms;
  send({.seq = 1, .ack = acked, .sacks = {{acked + 201 * 88, acked + 202 * 88}}});
  auto many = cost();
  for (int i = 0; i < 10; ++i) many = std::min(many, cost());
  RecordProperty("times", static_cast<int>(many / few));
  EXPECT_LT(many, 3 * few);
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

TEST_F(Attacks, a_window_that_stays_shut_behind_our_close_ends_in_a_reset) {
  accept();
  send({.seq = 1, .ack = 1, .window = 0});
  write(500);
  owner.connection->close();
  flush();
  int second = 0;
  for (; second < 600 && !owner.closed; ++second) {
    after(1s);
    if (owner.closed) break;
    wire.sent.clear();
    send({.seq = 1, .ack = 1, .window = 0});
  }
  EXPECT_EQ(owner.closed, CloseReason::kNotTaken);
  EXPECT_NEAR(second, config.closing_timeout / 1s, 1);
  EXPECT_TRUE(!wire.sent.empty() && wire.sent.back().header.has(tcp::kRst));
  EXPECT_EQ(counters.closing_expired.get(), 1u);
  EXPECT_EQ(stack().connections(), 0u);
  wire.sent.clear();
}

TEST_F(Attacks, a_byte_now_and_then_does_not_hold_a_closed_connection) {
  accept();
  send({.seq = 1, .ack = 1, .window = 0});
  write(50'000);
  owner.connection->close();
  flush();
  const Time closed = now;
  for (uint32_t i = 0; i < 600 && !owner.closed; ++i) {
    after(1s);
    if (i % 3 == 0) send({.seq = 1, .ack = 1 + i / 3, .window = 1});
  }
  EXPECT_EQ(owner.closed, CloseReason::kNotTaken);
  EXPECT_LE(now - closed, config.closing_timeout + 2s);
  wire.sent.clear();
}

TEST_F(Attacks, without_a_closing_timeout_a_peer_that_answers_is_waited_for) {
  config.closing_timeout = Duration::zero();
  accept();
  send({.seq = 1, .ack = 1, .window = 0});
  write(500);
  owner.connection->close();
  flush();
  for (int second = 0; second < 600; ++second) {
    after(1s);
    wire.sent.clear();
    send({.seq = 1, .ack = second == 300 ? 2u : 1u, .window = 0});
  }
  EXPECT_EQ(owner.closed, std::nullopt);
  EXPECT_EQ(counters.closing_expired.get(), 0u);
  wire.sent.clear();
}

TEST_F(Attacks, a_slow_reader_gets_all_that_was_queued_before_the_close) {
  accept({.flags = SYN, .seq = 0, .window = 4000, .mss = 1460, .sack_permitted = true});
  write(300'000);
  owner.connection->close();
  flush();
  uint32_t acked = 1;
  for (int i = 0; i < 600 && !owner.closed; ++i) {
    for (; !wire.sent.empty(); wire.sent.pop_front()) {
      const Wire::Sent& s = wire.sent.front();
      acked = std::max(acked, s.header.seq - stack_isn + static_cast<uint32_t>(s.data.size()) +
                                  (s.header.has(tcp::kFin) ? 1 : 0));
    }
    after(1s);
    send({.flags = static_cast<uint8_t>(acked == 300'002 ? FIN | ACK : ACK),
          .seq = 1,
          .ack = acked,
          .window = 4000});
  }
  EXPECT_EQ(acked, 300'002u);
  EXPECT_EQ(owner.closed, CloseReason::kFinished);
  EXPECT_EQ(counters.closing_expired.get(), 0u);
  wire.sent.clear();
}

}  // namespace
}  // namespace sluice::test
