// ESTABLISHED: data in both directions, acknowledgements, windows, attacks.

#include "fixture.h"

namespace sluice::test {
namespace {

using tcp::CloseReason;
using Receiving = TcpTest;
using Sending = TcpTest;

// Receiving

TEST_F(Receiving, data_is_delivered_in_order_and_acknowledged_within_40_ms) {
  accept();
  send({.seq = 1, .ack = 1, .data = "abc"});
  EXPECT_EQ(owner.received, "abc");
  expect_silence();
  after(41ms);
  expect({.seq = 1, .ack = 4, .length = 0});
}

TEST_F(Receiving, every_second_full_segment_is_acknowledged_at_once) {
  accept();
  send({.seq = 1, .ack = 1, .length = 1460});
  expect_silence();
  send({.seq = 1461, .ack = 1, .length = 1460});
  expect({.ack = 2921});
}

TEST_F(Receiving, a_burst_may_bring_the_end_of_a_connection_and_the_next_one) {
  accept();
  send_later({.seq = 1, .ack = 1, .data = "last words"});
  send_later({.flags = RST, .seq = 11});
  send_later({.seq = 11, .ack = 1, .data = "too late"});
  send_later({.flags = SYN, .seq = 5000, .mss = 1460});
  flush();
  EXPECT_EQ(owner.received, "last words");
  EXPECT_EQ(owner.closed, tcp::CloseReason::kReset);
  expect({.flags = RST, .seq = 1});
  expect({.flags = SYN | ACK, .seq = 0, .ack = 5001});
  EXPECT_EQ(stack().half_open(), 1u);
}

TEST_F(Receiving, the_first_full_segments_are_acknowledged_at_once) {
  config.quick_acks = 2;
  accept();
  send({.seq = 1, .ack = 1, .length = 1000});
  expect({.ack = 1001});
  send({.seq = 1001, .ack = 1, .length = 1000});
  expect({.ack = 2001});
  send({.seq = 2001, .ack = 1, .length = 1000});
  expect_silence();
}

TEST_F(Receiving, small_segments_are_acknowledged_by_what_answers_them) {
  config.quick_acks = 2;
  accept();
  send({.seq = 1, .ack = 1, .length = 100});
  expect_silence();
  write(6);
  expect({.seq = 1, .ack = 101, .length = 6});
}

TEST_F(Receiving, a_burst_is_acknowledged_once) {
  accept();
  for (uint32_t i = 0; i < 8; ++i) send_later({.seq = 1 + i * 1000, .ack = 1, .length = 1000});
  flush();
  expect({.ack = 8001});
  expect_silence();
}

TEST_F(Receiving, merged_segments_are_delivered_buffer_by_buffer_and_acknowledged_at_once) {
  config.quick_acks = 0;
  accept();
  send({.seq = 1, .ack = 1, .length = 14'600, .merged = 1460});
  EXPECT_EQ(owner.received.size(), 14'600u);
  expect({.ack = 14'601});
  expect_silence();
}

TEST_F(Receiving, merged_segments_count_as_their_number_for_quick_acks) {
  config.quick_acks = 10;
  accept();
  send({.seq = 1, .ack = 1, .length = 9000, .merged = 1000});
  expect({.ack = 9001});
  send({.seq = 9001, .ack = 1, .length = 1000});
  expect({.ack = 10'001});
  send({.seq = 10'001, .ack = 1, .length = 1000});
  expect_silence();
}

TEST_F(Receiving, the_size_of_merged_segments_is_not_taken_for_that_of_one) {
  config.quick_acks = 0;
  accept();
  send({.seq = 1, .ack = 1, .length = 14'600, .merged = 1460});
  expect({.ack = 14'601});
  send({.seq = 14'601, .ack = 1, .length = 1460});
  expect_silence();
  send({.seq = 16'061, .ack = 1, .length = 1460});
  expect({.ack = 17'521});  // two full segments
}

TEST_F(Receiving, merged_segments_ahead_of_a_gap_are_reported_as_often_as_starts_a_retransmission) {
  accept();
  send({.seq = 1461, .ack = 1, .length = 5 * 1460, .merged = 1460});
  for (int i = 0; i < 3; ++i) expect({.ack = 1, .sacks = {{1461, 8761}}});
  expect_silence();
  send({.seq = 1, .ack = 1, .length = 1460});
  EXPECT_EQ(owner.received.size(), 6 * 1460u);
  expect({.ack = 6 * 1460 + 1});
}

TEST_F(Receiving, merged_segments_are_cut_to_the_window_at_both_ends) {
  accept();
  std::string text(9000, 'a');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  send({.seq = 1, .ack = 1, .data = text.substr(0, 100)});
  send({.flags = ACK | FIN, .seq = 1, .ack = 1, .data = text, .merged = 1460});
  EXPECT_EQ(owner.received, text);
  EXPECT_TRUE(owner.end_of_data);
}

TEST_F(Receiving, data_ahead_of_a_gap_waits_and_is_reported) {
  accept();
  send({.seq = 4, .ack = 1, .data = "def"});
  EXPECT_EQ(owner.received, "");
  expect({.ack = 1, .sacks = {{4, 7}}});
  send({.seq = 10, .ack = 1, .data = "jkl"});
  expect({.ack = 1, .sacks = {{10, 13}, {4, 7}}});
  send({.seq = 1, .ack = 1, .data = "abc"});
  EXPECT_EQ(owner.received, "abcdef");
  expect({.ack = 7, .sacks = {{10, 13}}});
  send({.seq = 7, .ack = 1, .data = "ghi"});
  EXPECT_EQ(owner.received, "abcdefghijkl");
  expect({.ack = 13});
}

TEST_F(Receiving, overlapping_segments_give_every_byte_once) {
  accept();
  send({.seq = 3, .ack = 1, .data = "cdef"});
  send({.seq = 2, .ack = 1, .data = "bcdefghi"});
  send({.seq = 1, .ack = 1, .data = "abcd"});
  EXPECT_EQ(owner.received, "abcdefghi");
}

TEST_F(Receiving, a_duplicate_is_reported_as_one) {
  accept();
  send({.seq = 1, .ack = 1, .data = "abc"});
  send({.seq = 1, .ack = 1, .data = "abc"});
  expect({.ack = 4, .sacks = {{1, 4}}});
  EXPECT_EQ(owner.received, "abc");
  EXPECT_EQ(counters.duplicate_data.get(), 1u);
}

TEST_F(Receiving, the_window_shuts_as_the_owner_holds_data_and_opens_as_it_is_done) {
  config.receive_buffer = 4000;
  config.receive_buffer_max = 4000;
  owner.consume = false;
  accept();
  send({.seq = 1, .ack = 1, .length = 1400});
  send({.seq = 1401, .ack = 1, .length = 1400});
  expect({.ack = 2801, .window = 1200});
  send({.seq = 2801, .ack = 1, .length = 1200});
  after(41ms);
  expect({.ack = 4001, .window = 0});
  // Beyond the window nothing is taken, but the peer hears where it is.
  send({.seq = 4001, .ack = 1, .length = 100});
  expect({.ack = 4001, .window = 0});
  EXPECT_EQ(owner.received.size(), 4000u);
  owner.connection->consumed(4000);
  flush();
  expect({.ack = 4001, .window = 4000});
}

TEST_F(Receiving, a_small_release_is_no_window_update) {
  config.receive_buffer = config.receive_buffer_max = 60'000;
  owner.consume = false;
  accept();
  send({.seq = 1, .ack = 1, .length = 1400});
  send({.seq = 1401, .ack = 1, .length = 1400});
  expect({.ack = 2801});
  owner.connection->consumed(100);
  flush();
  expect_silence();
}

TEST_F(Receiving, the_right_edge_never_moves_back) {
  config.receive_buffer = config.receive_buffer_max = 10'000;
  owner.consume = false;
  accept();
  uint32_t edge = 0;
  for (uint32_t seq = 1; seq < 9000; seq += 900) {
    send({.seq = seq, .ack = 1, .length = 900});
    while (!wire.sent.empty()) {
      const auto& h = wire.sent.front().header;
      const uint32_t right = h.ack - peer_isn + h.window;
      EXPECT_GE(right, edge);
      edge = right;
      wire.sent.pop_front();
    }
  }
}

TEST_F(Receiving, islands_are_bounded_and_what_is_beyond_is_counted) {
  config.max_out_of_order_ranges = 4;
  accept();
  for (uint32_t i = 0; i < 10; ++i) send({.seq = 10 + i * 10, .ack = 1, .data = "x"});
  EXPECT_EQ(counters.out_of_order.get(), 4u);
  EXPECT_EQ(counters.out_of_order_dropped.get(), 6u);
  wire.sent.clear();
}

TEST_F(Receiving, urgent_data_is_just_data) {
  accept();
  send({.flags = ACK | URG | PSH, .seq = 1, .ack = 1, .data = "abc"});
  EXPECT_EQ(owner.received, "abc");
}

TEST_F(Receiving, a_segment_older_than_the_last_timestamp_is_dropped) {
  accept({.flags = SYN, .seq = 0, .mss = 1460, .ts = 1000});
  send({.seq = 1, .ack = 1, .data = "abc", .ts = 1005});
  send({.seq = 4, .ack = 1, .data = "old", .ts = 900});
  EXPECT_EQ(owner.received, "abc");
  EXPECT_EQ(counters.paws_drops.get(), 1u);
  expect({.ack = 4, .echo = 1005});
}

// RFC 7323, 5.5: after 24 days of silence the peer's clock may seem to have gone back.
TEST_F(Receiving, an_old_timestamp_is_replaced_by_the_first_one_after_24_days) {
  config.user_timeout = 24h * 100;
  accept({.flags = SYN, .seq = 0, .mss = 1460, .ts = 1000});
  after(24h * 25);
  constexpr uint32_t kLater = 1000u + 25u * 24 * 3600 * 1000;
  ASSERT_TRUE(tcp::before(kLater, 1000));
  send({.seq = 1, .ack = 1, .data = "abc", .ts = kLater});
  EXPECT_EQ(owner.received, "abc");
  after(41ms);
  expect({.ack = 4, .echo = kLater});
  send({.seq = 4, .ack = 1, .data = "old", .ts = kLater - 60'000});
  EXPECT_EQ(owner.received, "abc");
  EXPECT_EQ(counters.paws_drops.get(), 1u);
  wire.sent.clear();
}

// A middlebox that takes the option out must not hang the connection.
TEST_F(Receiving, a_segment_without_the_agreed_timestamp_is_taken) {
  accept({.flags = SYN, .seq = 0, .mss = 1460, .ts = 1000});
  send({.seq = 1, .ack = 1, .data = "abc"});
  EXPECT_EQ(owner.received, "abc");
  EXPECT_EQ(counters.no_timestamp.get(), 1u);
  write(100);
  expect({.seq = 1, .ack = 4, .length = 100, .echo = 1001});
  send({.seq = 4, .ack = 101});
  EXPECT_EQ(owner.connection->in_flight(), 0u);
}

// RFC 5681, 4.2: a peer that counts duplicate ACKs needs each of them.
TEST_F(Receiving, each_segment_of_a_burst_behind_a_gap_has_its_duplicate_ack) {
  accept();
  for (uint32_t i = 1; i <= 10; ++i) send_later({.seq = 1 + i * 100, .ack = 1, .length = 100});
  flush();
  for (uint32_t i = 1; i <= 10; ++i) expect({.seq = 1, .ack = 1, .sacks = {{101, 101 + i * 100}}});
  expect_silence();
  send({.seq = 1, .ack = 1, .length = 100});
  expect({.ack = 1101});
  expect_silence();
}

TEST_F(Receiving, a_gap_without_sack_has_one_duplicate_ack_for_each_segment_behind_it) {
  accept({.flags = SYN, .seq = 0, .mss = 1460});
  for (uint32_t i = 1; i <= 3; ++i) send({.seq = 1 + i * 100, .ack = 1, .length = 100});
  for (int i = 0; i < 3; ++i) expect({.seq = 1, .ack = 1});
  expect_silence();
}

TEST_F(Receiving, a_keepalive_is_answered) {
  accept();
  send({.seq = 0, .ack = 1});
  expect({.seq = 1, .ack = 1});
}

TEST_F(Receiving, an_owner_may_abort_in_the_middle_of_a_delivery) {
  accept();
  owner.on_data_hook = [](tcp::Connection& c) { c.abort(); };
  send_later({.seq = 4, .ack = 1, .data = "def"});
  send_later({.flags = ACK | FIN, .seq = 1, .ack = 1, .data = "abc"});
  flush();
  expect({.ack = 1, .sacks = {{4, 7}}});
  expect({.flags = RST | ACK});
  EXPECT_EQ(owner.received, "abc");
  EXPECT_EQ(owner.closed, CloseReason::kAborted);
  EXPECT_EQ(stack().connections(), 0u);
}

// Sending

TEST_F(Sending, what_is_queued_in_one_turn_leaves_in_full_segments) {
  accept();
  for (int i = 0; i < 30; ++i) write_later(100);
  flush();
  expect({.seq = 1, .ack = 1, .length = 1460});
  expect({.seq = 1461, .length = 1460});
  expect({.flags = ACK | PSH, .seq = 2921, .length = 80});
  expect_silence();
  EXPECT_EQ(owner.connection->transmitted(), 3000u);
  EXPECT_EQ(owner.connection->acknowledged(), 0u);
  send({.seq = 1, .ack = 1461});
  EXPECT_EQ(owner.connection->acknowledged(), 1460u);
}

TEST_F(Sending, a_burst_for_tso_takes_the_short_last_segment_along) {
  wire.tso = 65'000;
  accept();
  write(3 * 1460 + 100);
  expect({.seq = 1, .length = 3 * 1460 + 100});
  expect_silence();
}

TEST_F(Sending, ten_segments_go_at_the_start) {
  accept();
  write(30'000);
  EXPECT_EQ(wire.sent.size(), 10u);
  wire.sent.clear();
  send({.seq = 1, .ack = 1 + 2920});
  EXPECT_EQ(wire.sent.size(), 4u);  // slow start: two for each
  wire.sent.clear();
}

TEST_F(Sending, data_carries_the_acknowledgement) {
  accept();
  send_later({.seq = 1, .ack = 1, .data = "ping"});
  write(4);
  expect({.seq = 1, .ack = 5, .length = 4});
  after(100ms);
  EXPECT_EQ(counters.tail_probes.get() + counters.rto.get(), 0u);
  expect_silence();
}

TEST_F(Sending, a_lost_segment_is_sent_again_after_the_timeout) {
  accept();
  write(100);
  expect({.seq = 1, .length = 100});
  after(190ms);
  expect_silence();
  after(820ms);
  expect({.seq = 1, .length = 100});
  send({.seq = 1, .ack = 101});
  EXPECT_EQ(owner.connection->acknowledged(), 100u);
  after(10s);
  expect_silence();
}

TEST_F(Sending, timeouts_back_off_and_then_give_up) {
  config.user_timeout = 10s;
  accept();
  write(100);
  expect({.length = 100});
  after(9s);
  EXPECT_GE(wire.sent.size(), 3u);
  EXPECT_LE(wire.sent.size(), 6u);
  EXPECT_FALSE(owner.closed);
  after(1001ms);
  EXPECT_EQ(owner.closed, CloseReason::kTimeout);
  wire.sent.clear();
}

TEST_F(Sending, a_black_hole_is_noticed_within_the_user_timeout) {
  accept();
  owner.connection->set_user_timeout(5s);
  write(100);
  after(5001ms);
  EXPECT_EQ(owner.closed, CloseReason::kTimeout);
  EXPECT_EQ(counters.timeouts.get(), 1u);
  wire.sent.clear();
}

TEST_F(Sending, a_sacked_gap_is_filled_within_a_round_trip) {
  accept();
  after(10ms);
  write(1460 * 8);
  wire.sent.clear();
  after(10ms);
  send({.seq = 1, .ack = 1, .sacks = {{1461, 1461 + 1460 * 3}}});
  expect({.seq = 1, .length = 1460});
  EXPECT_EQ(counters.fast_recoveries.get(), 1u);
  EXPECT_EQ(counters.rto.get(), 0u);
  wire.sent.clear();
}

TEST_F(Sending, three_duplicate_acks_do_for_a_peer_without_sack) {
  accept({.flags = SYN, .seq = 0, .mss = 1460});
  write(1460 * 8);
  wire.sent.clear();
  send({.seq = 1, .ack = 1});
  send({.seq = 1, .ack = 1});
  EXPECT_EQ(counters.fast_recoveries.get(), 0u);
  wire.sent.clear();
  send({.seq = 1, .ack = 1});
  expect({.seq = 1, .length = 1460});
  wire.sent.clear();
  // A partial ACK says that the next is missing too (RFC 6582).
  send({.seq = 1, .ack = 1461});
  expect({.seq = 1461, .length = 1460});
  wire.sent.clear();
}

TEST_F(Sending, the_end_of_a_burst_is_probed_before_the_timeout) {
  accept();
  write(1000);
  expect({.length = 1000});
  after(10ms);
  send({.seq = 1, .ack = 1001});  // 10 ms of round trip
  write(1460 * 3);
  wire.sent.clear();
  after(30ms);
  expect({.seq = 1001 + 1460 * 2, .length = 1460});
  EXPECT_EQ(counters.tail_probes.get(), 1u);
  EXPECT_EQ(counters.rto.get(), 0u);
}

TEST_F(Sending, the_peers_window_is_never_overrun) {
  accept({.flags = SYN, .seq = 0, .window = 3000, .mss = 1460, .sack_permitted = true});
  write(10'000);
  uint32_t sent = 0;
  while (!wire.sent.empty()) {
    sent += static_cast<uint32_t>(wire.sent.front().data.size());
    wire.sent.pop_front();
  }
  EXPECT_LE(sent, 3000u);
  EXPECT_GE(sent, 2920u);
}

TEST_F(Sending, a_shut_window_is_probed_for_as_long_as_the_peer_answers) {
  config.user_timeout = 5s;
  accept();
  write(1000);
  expect({.length = 1000});
  send({.seq = 1, .ack = 1001, .window = 0});
  write(500);
  expect_silence();
  for (int i = 0; i < 40; ++i) {
    after(1s);
    for (; !wire.sent.empty(); wire.sent.pop_front()) {
      EXPECT_EQ(wire.sent.front().data.size(), 0u);
      EXPECT_EQ(wire.sent.front().header.seq - stack_isn, 1000u);
    }
    send({.seq = 1, .ack = 1001, .window = 0});
    ASSERT_FALSE(owner.closed);
  }
  EXPECT_GE(counters.window_probes.get(), 3u);
  send({.seq = 1, .ack = 1001, .window = 65535});
  expect({.seq = 1001, .length = 500});
}

TEST_F(Sending, an_overtaken_ack_of_a_shut_window_does_not_shut_the_open_one) {
  accept({.flags = SYN, .seq = 0, .mss = 1460, .ts = 1000});
  write(100);
  wire.sent.clear();
  send({.seq = 1, .ack = 101, .window = 60'000, .ts = 1030});
  send({.seq = 1, .ack = 101, .window = 0, .ts = 1010});
  write(100);
  expect({.seq = 101, .length = 100});
}

// Without timestamps it looks like a window that shuts: the peer is asked at once.
TEST_F(Sending, a_window_that_shuts_without_a_new_number_is_asked_for_again) {
  accept();
  write(100);
  wire.sent.clear();
  send({.seq = 1, .ack = 101, .window = 60'000});
  send({.seq = 1, .ack = 101, .window = 0});
  expect({.seq = 100, .length = 0});
  write(100);
  expect_silence();
  send({.seq = 1, .ack = 101, .window = 60'000});
  expect({.seq = 101, .length = 100});
  EXPECT_EQ(counters.window_probes.get(), 1u);
  send({.seq = 1, .ack = 201, .window = 60'000});
  // One that is shut indeed is asked once, and then in its time.
  send({.seq = 1, .ack = 201, .window = 0});
  expect({.seq = 200, .length = 0});
  for (int i = 0; i < 10; ++i) send({.seq = 1, .ack = 201, .window = 0});
  expect_silence();
}

TEST_F(Sending, unanswered_window_probes_end_the_connection) {
  config.user_timeout = 5s;
  accept();
  send({.seq = 1, .ack = 1, .window = 0});
  write(500);
  after(15s);
  EXPECT_EQ(owner.closed, CloseReason::kTimeout);
  wire.sent.clear();
}

TEST_F(Sending, the_owner_hears_when_there_is_room_again) {
  config.send_buffer = config.send_buffer_max = 10'000;
  accept();
  write(9'000);
  EXPECT_EQ(owner.connection->send_space(), 1000u);
  send({.seq = 1, .ack = 1461});
  EXPECT_EQ(owner.writable, 0);
  send({.seq = 1, .ack = 1461 + 5 * 1460});
  EXPECT_EQ(owner.writable, 1);
  wire.sent.clear();
}

TEST_F(Sending, window_scaling_is_applied_both_ways) {
  accept({.flags = SYN, .seq = 0, .window = 1000, .mss = 1460, .scale = 3, .sack_permitted = true});
  send({.seq = 1, .ack = 1, .window = 1000});  // 8,000 bytes
  write(20'000);
  uint32_t sent = 0;
  for (; !wire.sent.empty(); wire.sent.pop_front()) {
    sent += static_cast<uint32_t>(wire.sent.front().data.size());
    EXPECT_EQ(wire.sent.front().header.window, config.receive_buffer >> 7);
  }
  EXPECT_GE(sent, 7300u);
  EXPECT_LE(sent, 8000u);
}

TEST_F(Sending, a_port_without_buffers_delays_and_loses_nothing) {
  accept();
  wire.answer = ip::Sent::kNoMemory;
  write(5000);
  wire.answer = ip::Sent::kYes;
  after(3ms);
  expect({.seq = 1, .length = 1460});
  EXPECT_EQ(counters.retransmits.get(), 0u);
  wire.sent.clear();
}

TEST_F(Sending, a_dead_peer_is_found_by_keepalives) {
  config.keepalive_idle = 10s;
  config.keepalive_interval = 2s;
  config.keepalive_probes = 3;
  accept();
  after(10'001ms);
  expect({.seq = 0, .ack = 1, .length = 0});
  send({.seq = 1, .ack = 1});  // alive
  after(10'001ms);
  expect({.seq = 0});
  after(6100ms);
  EXPECT_EQ(wire.sent.size(), 2u);
  EXPECT_EQ(owner.closed, CloseReason::kTimeout);
  wire.sent.clear();
}

}  // namespace
}  // namespace sluice::test
