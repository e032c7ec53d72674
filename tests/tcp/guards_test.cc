// SYN cookies, ICMP errors, ECN, timeouts that were none, buffers that grow.

#include "fixture.h"
#include "tcp/syn_cookie.h"

namespace sluice::test {
namespace {

using tcp::CloseReason;
using PathMtu = TcpTest;
using Ecn = TcpTest;
using Spurious = TcpTest;
using Reordering = TcpTest;
using ReceiveBuffer = TcpTest;

class SynFlood : public TcpTest {
 protected:
  // As many SYNs from strangers as there are half-open records.
  void fill() {
    config.max_half_open = 100;
    const Endpoint client = there;
    for (uint16_t i = 0; i < 100; ++i) {
      there = {Address::v4(0x0a000000u + i), 1000};
      send({.flags = SYN, .seq = 0, .mss = 1460});
    }
    wire.sent.clear();
    there = client;
    EXPECT_EQ(stack().half_open(), 100u);
  }
};

TEST_F(SynFlood, the_half_open_table_stays_bounded_and_a_client_still_connects) {
  fill();
  send({.flags = SYN, .seq = 0, .mss = 1440, .scale = 9, .sack_permitted = true, .ts = 50});
  const auto a = expect({.flags = SYN | ACK, .seq = 0, .ack = 1, .echo = 50});
  EXPECT_TRUE(a.header.options.sack_permitted);
  EXPECT_TRUE(a.header.options.scale);
  EXPECT_EQ(stack().half_open(), 100u);
  EXPECT_EQ(counters.cookies_sent.get(), 1u);
  send({.seq = 1, .ack = 1, .window = 1000, .data = "hello", .ts = 51});
  ASSERT_NE(owner.connection, nullptr);
  EXPECT_EQ(owner.received, "hello");
  EXPECT_EQ(counters.cookies_accepted.get(), 1u);
  EXPECT_EQ(owner.connection->segment_size(), 1440 - 12);
  wire.sent.clear();
  // The scale survived: 1000 << 9 takes a whole initial window and more.
  write(14'000);
  EXPECT_EQ(wire.sent.size(), 10u);
  wire.sent.clear();
}

TEST_F(SynFlood, a_guessed_cookie_is_reset_and_counted) {
  fill();
  send({.flags = SYN, .seq = 0, .mss = 1440});
  expect({.flags = SYN | ACK});
  send({.seq = 1, .ack = 1 + 0x100});
  expect({.flags = RST});
  EXPECT_EQ(counters.cookies_bad.get(), 1u);
  EXPECT_EQ(owner.connection, nullptr);
}

TEST_F(SynFlood, a_cookie_is_good_for_its_tuple_only) {
  fill();
  send({.flags = SYN, .seq = 0, .mss = 1440});
  expect({.flags = SYN | ACK});
  ++there.port;
  send({.seq = 1, .ack = 1});
  expect({.flags = RST});
}

TEST_F(SynFlood, a_cookie_expires) {
  fill();
  send({.flags = SYN, .seq = 0, .mss = 1440});
  expect({.flags = SYN | ACK});
  after(130s);
  wire.sent.clear();
  send({.seq = 1, .ack = 1});
  expect({.flags = RST});
}

TEST(SynCookie, carries_every_combination_of_options) {
  const tcp::SynCookies cookies(SipKey{1, 2});
  const Endpoint l{Address::v4(1), 2}, r{Address::v4(3), 4};
  const Time now{Duration(5000s)};
  for (int scale = -1; scale <= 14; ++scale) {
    for (uint16_t mss : {536, 1220, 1440, 1460}) {
      for (bool sack : {false, true}) {
        tcp::Handshake h;
        h.irs = 12345;
        h.peer_mss = mss;
        if (scale >= 0) h.peer_scale = static_cast<uint8_t>(scale);
        h.sack = sack;
        const uint32_t iss = cookies.make(l, r, h, now);
        const auto back = cookies.check(l, r, h.irs + 1, iss + 1, now + 63s);
        ASSERT_TRUE(back);
        EXPECT_EQ(back->peer_mss, mss);
        EXPECT_EQ(back->peer_scale, h.peer_scale);
        EXPECT_EQ(back->sack, sack);
        EXPECT_FALSE(cookies.check(l, r, h.irs + 1, iss + 1, now + 130s));
        EXPECT_FALSE(cookies.check(l, r, h.irs + 2, iss + 1, now));
      }
    }
  }
}

// Path MTU

TEST_F(PathMtu, what_was_too_long_goes_again_in_shorter_segments_at_once) {
  accept();
  write(2920);
  expect({.seq = 1, .length = 1460});
  expect({.seq = 1461, .length = 1460});
  stack().packet_too_big(here, there, stack_isn + 1, 1020, now);
  flush();
  expect({.seq = 1, .length = 1000});
  expect({.seq = 1001, .length = 460});
  expect({.seq = 1461, .length = 1000});
  expect({.seq = 2461, .length = 460});
  EXPECT_EQ(counters.path_mtu_lowered.get(), 1u);
  EXPECT_EQ(owner.connection->congestion_window(), 14'600u);
  send({.seq = 1, .ack = 2921});
  EXPECT_EQ(owner.connection->in_flight(), 0u);
}

TEST_F(PathMtu, a_message_about_nothing_in_flight_is_ignored) {
  accept();
  write(100);
  expect({.length = 100});
  stack().packet_too_big(here, there, stack_isn + 5000, 1020, now);
  stack().packet_too_big(here, {there.address, 1}, stack_isn + 1, 1020, now);
  EXPECT_EQ(counters.icmp_ignored.get(), 2u);
  EXPECT_EQ(owner.connection->segment_size(), 1460u);
}

TEST_F(PathMtu, a_ridiculous_size_is_ignored) {
  accept();
  write(100);
  expect({.length = 100});
  stack().packet_too_big(here, there, stack_isn + 1, 68, now);
  EXPECT_EQ(owner.connection->segment_size(), 1460u);
}

TEST_F(PathMtu, unreachable_ends_an_open_and_nothing_else) {
  connect();
  expect({.flags = SYN});
  const Endpoint local{here.address, port_here};
  stack().unreachable(local, there, stack_isn + 7, now);
  flush();
  EXPECT_FALSE(owner.closed);
  stack().unreachable(local, there, stack_isn, now);
  flush();
  EXPECT_EQ(owner.closed, CloseReason::kUnreachable);
}

TEST_F(PathMtu, segments_that_vanish_without_a_word_become_shorter_at_the_second_timeout) {
  accept();
  write(1460);
  after(1100ms);
  EXPECT_EQ(counters.rto.get(), 1u);
  EXPECT_EQ(wire.sent.back().data.size(), 1460u);
  wire.sent.clear();
  after(2s);
  EXPECT_EQ(counters.rto.get(), 2u);
  EXPECT_EQ(counters.path_mtu_black_holes.get(), 1u);
  expect({.seq = 1, .length = 1024});
  expect({.seq = 1025, .length = 436});
}

TEST_F(PathMtu, a_last_segment_that_is_too_long_for_the_path_but_not_full_becomes_shorter_too) {
  accept();
  write(1200);
  after(4s);
  wire.sent.pop_front();
  EXPECT_EQ(counters.path_mtu_black_holes.get(), 1u);
  EXPECT_EQ(wire.sent.back().data.size(), 176u);
  wire.sent.clear();
}

class MtuSearch : public TcpTest {
 protected:
  // A path that was narrow ten minutes ago; it takes `width` now.
  void run(uint32_t width) {
    accept(
        {.flags = SYN, .seq = 0, .window = 65535, .mss = 1460, .scale = 4, .sack_permitted = true});
    write(1460);
    stack().packet_too_big(here, there, stack_isn + 1, 1020, now);
    flush();
    send({.seq = 1, .ack = 1461});
    wire.sent.clear();
    after(601s);
    uint32_t acked = 1461;
    for (int round = 0; round < 60; ++round) {
      write(20'000);
      after(1ms);
      // Everything but what is too long arrives, in order; one gap at most is reported.
      std::vector<Wire::Sent> flight(wire.sent.begin(), wire.sent.end());
      wire.sent.clear();
      for (const Wire::Sent& s : flight) {
        const uint32_t begin = s.header.seq - stack_isn;
        const auto end = begin + static_cast<uint32_t>(s.data.size());
        longest = std::max(longest, s.data.size());
        if (s.data.size() + 20 > width) {
          ++lost;
          continue;
        }
        if (begin <= acked) {
          acked = std::max(acked, std::max(end, sacked));
          sacked = 0;
          send_later({.seq = 1, .ack = acked});
        } else {
          if (sacked == 0) gap = begin;
          sacked = end;
          send_later({.seq = 1, .ack = acked, .sacks = {{gap, sacked}}});
        }
      }
      flush();
    }
  }
  uint32_t gap = 0, sacked = 0;
  size_t longest = 0;
  int lost = 0;
};

TEST_F(MtuSearch, a_path_that_has_become_wide_again_is_used_in_full) {
  run(1480);
  EXPECT_EQ(owner.connection->segment_size(), 1460u);
  EXPECT_EQ(lost, 0);
  EXPECT_EQ(counters.path_mtu_raised.get(), 1u);
}

TEST_F(MtuSearch, finds_what_the_path_takes_and_slows_nothing_down) {
  run(1300);
  EXPECT_LE(owner.connection->segment_size(), 1280u);
  EXPECT_GT(owner.connection->segment_size(), 1280u - 16);
  EXPECT_EQ(longest, 1460u);
  EXPECT_LE(lost, 6);
  EXPECT_EQ(counters.fast_recoveries.get(), 0u);
  EXPECT_EQ(counters.rto.get(), 0u);
}

TEST_F(MtuSearch, nothing_is_tried_before_its_time) {
  accept();
  write(1460);
  stack().packet_too_big(here, there, stack_isn + 1, 1020, now);
  flush();
  send({.seq = 1, .ack = 1461});
  wire.sent.clear();
  after(300s);
  write(14'000);
  for (const Wire::Sent& s : wire.sent) EXPECT_LE(s.data.size(), 1000u);
  EXPECT_EQ(counters.path_mtu_probes.get(), 0u);
}

// ECN (RFC 3168)

TEST_F(Ecn, a_mark_is_echoed_until_the_sender_says_it_slowed_down) {
  config.ecn = true;
  send({.flags = SYN | ECE | CWR, .seq = 0, .mss = 1460, .sack_permitted = true});
  expect({.flags = SYN | ACK | ECE, .seq = 0});
  send({.seq = 1, .ack = 1});
  send({.seq = 1, .ack = 1, .length = 100, .tos = 3});
  expect({.flags = ACK | ECE, .ack = 101});
  send({.flags = ACK | CWR, .seq = 101, .ack = 1, .length = 100});
  after(41ms);
  expect({.flags = ACK, .ack = 201});
  EXPECT_EQ(counters.ecn_marks_in.get(), 1u);
}

TEST_F(Ecn, an_echo_lowers_the_window_once_a_round_trip_and_resends_nothing) {
  config.ecn = true;
  send({.flags = SYN | ECE | CWR, .seq = 0, .mss = 1460, .sack_permitted = true});
  expect({.flags = SYN | ACK | ECE, .seq = 0});
  send({.seq = 1, .ack = 1});
  write(30'000);
  EXPECT_EQ(wire.sent.front().tos & 3, 2);
  wire.sent.clear();
  send({.flags = ACK | ECE, .seq = 1, .ack = 1461});
  const uint32_t window = owner.connection->congestion_window();
  EXPECT_LT(window, 14'600u);
  send({.flags = ACK | ECE, .seq = 1, .ack = 2921});
  EXPECT_EQ(counters.ecn_reductions.get(), 1u);
  EXPECT_EQ(counters.retransmits.get(), 0u);
  wire.sent.clear();
}

// Needless timeouts

TEST_F(Spurious, a_timeout_that_was_only_delay_is_undone) {
  accept({.flags = SYN, .seq = 0, .mss = 1460, .sack_permitted = true, .ts = 100});
  write(1448 * 10);
  const uint32_t echo = wire.sent.front().header.options.ts_value;
  wire.sent.clear();
  const uint32_t window = owner.connection->congestion_window();
  after(1100ms);
  EXPECT_GE(counters.rto.get() + counters.tail_probes.get(), 1u);
  after(2s);
  EXPECT_GE(counters.rto.get(), 1u);
  wire.sent.clear();
  send({.seq = 1, .ack = 1 + 1448, .ts = 200, .echo = echo});
  EXPECT_EQ(counters.spurious_rto.get(), counters.rto.get() == 1 ? 1u : 0u);
  if (counters.rto.get() == 1) {
    EXPECT_GE(owner.connection->congestion_window(), window);
  }
  wire.sent.clear();
}

TEST_F(Spurious, without_timestamps_the_arrival_of_what_was_not_resent_tells) {
  accept();
  write(1460 * 6);
  wire.sent.clear();
  after(1s);
  while (counters.rto.get() == 0) after(50ms);
  ASSERT_EQ(counters.rto.get(), 1u);
  wire.sent.clear();
  send({.seq = 1, .ack = 1 + 2920});  // the first and, never resent, the second
  EXPECT_EQ(counters.spurious_rto.get(), 1u);
  EXPECT_EQ(owner.connection->congestion_window(), 14'600u);
  EXPECT_EQ(owner.connection->in_flight(), 1460u * 4);
  wire.sent.clear();
}

TEST_F(Reordering, a_duplicate_reported_by_an_overtaken_ack_counts) {
  accept({.flags = SYN, .seq = 0, .mss = 1460, .sack_permitted = true, .ts = 1000});
  after(20ms);
  write(1448 * 8);
  wire.sent.clear();
  after(20ms);
  const uint32_t window = owner.connection->congestion_window();
  send({.seq = 1, .ack = 1, .ts = 1020, .sacks = {{1449, 1449 + 1448 * 3}}});
  expect({.seq = 1, .length = 1448});
  wire.sent.clear();
  // Two ACKs, the older one, which tells of the copy, last.
  send({.seq = 1, .ack = 1 + 1448 * 8, .ts = 1045});
  send({.seq = 1, .ack = 1 + 1448 * 4, .ts = 1042, .sacks = {{1, 1449}}});
  EXPECT_EQ(counters.spurious_recoveries.get(), 1u);
  EXPECT_GE(owner.connection->congestion_window(), window);
}

TEST_F(Reordering, every_duplicate_of_a_burst_is_reported) {
  accept();
  send({.seq = 1, .ack = 1, .length = 1000});
  send({.seq = 1001, .ack = 1, .length = 1000});
  wire.sent.clear();
  send_later({.seq = 1, .ack = 1, .length = 1000});
  send_later({.seq = 1001, .ack = 1, .length = 1000});
  flush();
  expect({.ack = 2001, .sacks = {{1, 1001}}});
  expect({.ack = 2001, .sacks = {{1001, 2001}}});
  expect_silence();
}

class Pacing : public TcpTest {
 protected:
  // A window grown to 40 segments; all of it acknowledged.
  void grow(Duration round_trip = 20ms) {
    send(
        {.flags = SYN, .seq = 0, .window = 65535, .mss = 1460, .scale = 4, .sack_permitted = true});
    expect({.flags = SYN | ACK});
    after(round_trip);
    send({.seq = 1, .ack = 1});
    for (uint32_t burst : {10, 20}) {
      write(1460 * burst);
      after(round_trip);
      wire.sent.clear();
      send({.seq = 1, .ack = acked += 1460 * burst});
    }
    EXPECT_EQ(owner.connection->congestion_window(), 40 * 1460u);
  }
  size_t sent_bytes() const {
    size_t n = 0;
    for (const Wire::Sent& s : wire.sent) n += s.data.size();
    return n;
  }

  uint32_t acked = 1;
};

TEST_F(Pacing, a_window_leaves_spread_over_the_round_trip_but_well_within_it) {
  grow();
  write(1460 * 40);
  const size_t at_once = wire.sent.size();
  EXPECT_GE(at_once, 10u);
  EXPECT_LE(at_once, 11u);
  after(4ms);
  EXPECT_GT(wire.sent.size(), at_once);
  EXPECT_LT(wire.sent.size(), 30u);
  after(9ms);
  EXPECT_EQ(wire.sent.size(), 40u);
}

TEST_F(Pacing, a_release_does_not_wait_for_a_round_trip_that_has_become_short) {
  wire.tso = 65'000;
  grow(400ms);
  write(1460 * 40);
  const size_t at_once = sent_bytes();
  EXPECT_LE(at_once, 20 * 1460u);
  after(1ms);
  for (size_t i = 0; i < at_once / 1460; ++i) send_later({.seq = 1, .ack = acked += 1460});
  flush();
  after(20ms);
  EXPECT_EQ(sent_bytes(), 40 * 1460u);
}

TEST_F(Pacing, what_fits_the_initial_window_leaves_at_once) {
  grow();
  write(1460 * 10);
  EXPECT_EQ(wire.sent.size(), 10u);
}

// Auto-tuning

TEST_F(ReceiveBuffer, grows_for_a_reader_that_keeps_up_and_stops_at_the_limit) {
  config.receive_buffer = 20'000;
  config.receive_buffer_max = 100'000;
  send({.flags = SYN, .seq = 0, .mss = 1460, .scale = 7, .sack_permitted = true});
  expect({.flags = SYN | ACK});
  after(10ms);
  send({.seq = 1, .ack = 1});
  uint32_t widest = 0;
  uint32_t seq = 1;
  for (int round = 0; round < 20; ++round) {
    const uint32_t fill = std::max(widest, 20'000u) / 1460;
    for (uint32_t i = 0; i < fill; ++i, seq += 1460)
      send_later({.seq = seq, .ack = 1, .length = 1460});
    flush();
    for (; !wire.sent.empty(); wire.sent.pop_front())
      widest = std::max(widest, uint32_t{wire.sent.front().header.window} << 1);
    after(12ms);
  }
  EXPECT_GE(widest, 90'000u);
  EXPECT_LE(widest, 100'000u + 2);
}

TEST_F(ReceiveBuffer, stays_small_for_a_reader_that_does_not) {
  config.receive_buffer = 20'000;
  owner.consume = false;
  accept();
  send({.seq = 1, .ack = 1, .length = 1460});
  send({.seq = 1461, .ack = 1, .length = 1460});
  expect({.ack = 2921, .window = 20'000 - 2920});
}

}  // namespace
}  // namespace sluice::test
