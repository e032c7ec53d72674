// Bugs that users of other TCP stacks met, each by name: none of them here.

#include <deque>

#include "fixture.h"

namespace sluice::test {
namespace {

class KnownBugs : public TcpTest {
 protected:
  static constexpr uint32_t kMss = 1460;

  // A round trip in which the first of eight segments arrives `late` after the others, and what was
  // needlessly sent again is reported.
  void reordered_round(uint32_t& acked, Duration late) {
    const size_t bytes = kMss * 8;
    write(bytes);
    after(20ms);
    wire.sent.clear();
    send({.seq = 1, .ack = acked, .sacks = {{acked + kMss, acked + kMss * 8}}});
    after(late);
    const bool again = !wire.sent.empty();
    wire.sent.clear();
    send({.seq = 1, .ack = acked + kMss * 8});
    if (again) send({.seq = 1, .ack = acked + kMss * 8, .sacks = {{acked, acked + kMss}}});
    wire.sent.clear();
    acked += kMss * 8;
  }

  // A bottleneck that takes a segment in `each`, with a queue without end, and a peer behind it
  // that acknowledges every segment. Returns the bytes that arrived.
  uint64_t bottleneck(Duration each, Duration delay, Duration time, uint64_t queued) {
    struct Flying {
      Time at;
      uint32_t end;
    };
    std::deque<Flying> link;
    Time free = now;
    const Time until = now + time;
    uint32_t acked = 1;
    while (now < until) {
      const uint64_t waiting = owner.connection->send_queue().size();
      if (waiting < queued) write(queued - waiting);
      for (; !wire.sent.empty(); wire.sent.pop_front()) {
        const Wire::Sent& s = wire.sent.front();
        free = std::max(free, now) + each;
        link.push_back(
            {free + delay, s.header.seq - stack_isn + static_cast<uint32_t>(s.data.size())});
      }
      after(500us);
      for (; !link.empty() && link.front().at <= now; link.pop_front()) {
        acked = std::max(acked, link.front().end);
        send_later({.seq = 1, .ack = acked});
      }
      flush();
    }
    wire.sent.clear();
    return acked - 1;
  }
};

// gVisor 9778, tailscale 20893: reordering collapsed the window under RACK.

TEST_F(KnownBugs, reordering_gives_the_window_back_when_the_peer_reports_duplicates) {
  accept();
  after(20ms);
  write(kMss * 8);
  wire.sent.clear();
  after(20ms);
  const uint32_t window = owner.connection->congestion_window();
  // The first was overtaken by three: counts as lost, is sent again.
  send({.seq = 1, .ack = 1, .sacks = {{1461, 1461 + kMss * 3}}});
  expect({.seq = 1, .length = kMss});
  wire.sent.clear();
  EXPECT_LT(owner.connection->congestion_window(), window);
  // The original arrives, then the copy.
  send({.seq = 1, .ack = 1 + kMss * 4});
  send({.seq = 1, .ack = 1 + kMss * 4, .sacks = {{1, 1461}}});
  EXPECT_EQ(counters.spurious_recoveries.get(), 1u);
  EXPECT_GE(owner.connection->congestion_window(), window);
  wire.sent.clear();
}

TEST_F(KnownBugs, reordering_for_ever_does_not_collapse_the_window) {
  accept();
  after(20ms);
  uint32_t acked = 1;
  for (int round = 0; round < 100; ++round) reordered_round(acked, 8ms);
  EXPECT_GE(owner.connection->congestion_window(), 10 * kMss);
  EXPECT_EQ(counters.spurious_recoveries.get(), counters.fast_recoveries.get());
  EXPECT_EQ(counters.rto.get(), 0u);
}

// gVisor 6113: stalls when the round trip is shorter than a clock tick.

TEST_F(KnownBugs, a_round_trip_of_microseconds_is_no_reason_to_stall) {
  accept();
  for (uint32_t i = 0; i < 50; ++i) {
    write(kMss * 4);
    wire.sent.clear();
    after(5us);
    send({.seq = 1, .ack = 1 + kMss * 4 * (i + 1)});
  }
  EXPECT_EQ(counters.retransmits.get(), 0u);
  EXPECT_EQ(counters.rto.get(), 0u);
  EXPECT_EQ(owner.connection->in_flight(), 0u);
  wire.sent.clear();
}

TEST_F(KnownBugs, a_loss_at_a_round_trip_of_microseconds_is_repaired_without_a_timeout) {
  accept();
  write(kMss);
  wire.sent.clear();
  after(5us);
  send({.seq = 1, .ack = 1 + kMss});
  write(kMss * 5);
  wire.sent.clear();
  after(5us);
  send({.seq = 1, .ack = 1 + kMss, .sacks = {{1 + kMss * 2, 1 + kMss * 6}}});
  expect({.seq = 1 + kMss, .length = kMss});
  EXPECT_EQ(counters.rto.get(), 0u);
}

// gVisor 10312: a peer that takes its window back.

TEST_F(KnownBugs, a_window_that_shrinks_below_what_is_in_flight_stalls_nothing) {
  accept();
  write(5 * kMss);
  wire.sent.clear();
  send({.seq = 1, .ack = 1461, .window = 1000});
  after(3s);
  EXPECT_GE(wire.sent.size(), 1u);
  EXPECT_EQ(wire.sent.front().header.seq - stack_isn, 1461u);
  wire.sent.clear();
  send({.seq = 1, .ack = 1 + 5 * kMss, .window = 65535});
  EXPECT_EQ(owner.connection->acknowledged(), 5u * kMss);
}

// smoltcp 62: every ACK pushed the timer of the first lost segment off.

TEST_F(KnownBugs, acks_of_nothing_new_do_not_push_the_retransmission_off) {
  accept({.flags = SYN, .seq = 0, .mss = 1460});
  write(100);
  expect({.length = 100});
  for (uint32_t i = 0; i < 12; ++i) {
    after(100ms);
    send({.seq = 1 + i, .ack = 1, .data = "z"});
  }
  EXPECT_GE(counters.rto.get(), 1u);
  wire.sent.clear();
}

// smoltcp 949: large buffers, whose last byte waits in a queue for longer than the first timeout.

TEST_F(KnownBugs, a_queue_that_a_large_buffer_fills_causes_no_needless_retransmission) {
  config.send_buffer = 1'000'000;
  accept(
      {.flags = SYN, .seq = 0, .window = 65535, .mss = 1460, .scale = 7, .sack_permitted = true});
  bottleneck(2ms, 10ms, 6s, 900'000);
  EXPECT_GT(owner.connection->in_flight(), 100 * kMss);  // 200 ms and more: above the floor of RTO
  EXPECT_EQ(counters.retransmits.get(), 0u);
  EXPECT_EQ(counters.rto.get(), 0u);
}

// smoltcp 935: the window had opened, and the peer heard of it from a timer.

TEST_F(KnownBugs, a_shut_window_that_opens_is_told_in_the_same_turn) {
  config.receive_buffer = config.receive_buffer_max = 8 * kMss;
  owner.consume = false;
  accept();
  for (uint32_t i = 0; i < 8; ++i) send_later({.seq = 1 + i * kMss, .ack = 1, .length = kMss});
  flush();
  expect({.ack = 1 + 8 * kMss, .window = 0});
  owner.connection->consumed(2 * kMss);
  flush();
  expect({.ack = 1 + 8 * kMss, .window = 2 * kMss});
}

TEST_F(KnownBugs, a_window_update_lets_data_leave_in_the_same_turn) {
  accept();
  send({.seq = 1, .ack = 1, .window = 0});
  expect({.seq = 0, .length = 0});  // is it shut indeed?
  write(3000);
  expect_silence();
  send({.seq = 1, .ack = 1, .window = 65535});
  expect({.seq = 1, .length = kMss});
  expect({.seq = 1461, .length = kMss});
  expect({.seq = 2921, .length = 80});
}

// F-Stack 702: a connection that had been through recovery was never freed.

TEST_F(KnownBugs, connections_that_end_after_or_in_recovery_leave_nothing_behind) {
  config.max_connections = 4;  // a leak would soon refuse a client
  config.max_time_wait = 2000;
  for (int i = 0; i < 900; ++i) {
    there.port = static_cast<uint16_t>(1024 + i);
    owner.closed.reset();
    accept();
    write(kMss * 8);
    send({.seq = 1, .ack = 1, .sacks = {{1 + kMss, 1 + kMss * 5}}});
    if (i % 3 == 0) {  // recovered, and closed
      send({.seq = 1, .ack = 1 + kMss * 8});
      owner.connection->close();
      flush();
      send({.flags = FIN | ACK, .seq = 1, .ack = 2 + kMss * 8});
    } else if (i % 3 == 1) {  // reset in the middle of it
      send({.flags = RST, .seq = 1});
    } else {  // in recovery by timeout
      while (counters.rto.get() < static_cast<uint64_t>(i / 3 + 1)) after(100ms);
      owner.connection->abort();
      flush();
    }
    wire.sent.clear();
    ASSERT_TRUE(owner.closed) << i;
    ASSERT_EQ(stack().connections(), 0u) << i;
  }
  EXPECT_EQ(counters.fast_recoveries.get(), 900u);
  EXPECT_EQ(counters.refused.get(), 0u);
}

// seastar 365: a right edge to the left of snd_nxt wrapped, and an assertion failed.

TEST_F(KnownBugs, a_window_that_falls_behind_what_was_sent_is_an_edge_and_no_giant) {
  accept();
  write(20 * kMss);
  EXPECT_EQ(wire.sent.size(), 10u);
  wire.sent.clear();
  send({.seq = 1, .ack = 1 + kMss, .window = 0});
  expect_silence();
  send({.seq = 1, .ack = 1 + 10 * kMss, .window = 10});
  expect_silence();
  send({.seq = 1, .ack = 1 + 10 * kMss, .window = 65535});
  expect({.seq = 1 + 10 * kMss, .length = kMss});
  wire.sent.clear();
}

// seastar 41: a burst for segmentation offload of which a part was acknowledged hung the
// connection.

TEST_F(KnownBugs, a_burst_for_tso_may_be_acknowledged_and_lost_at_any_byte) {
  wire.tso = 65'000;
  accept(
      {.flags = SYN, .seq = 0, .window = 65535, .mss = 1460, .scale = 7, .sack_permitted = true});
  write(10 * kMss);
  expect({.seq = 1, .length = 10 * kMss});
  // Two and a half segments arrive; then four of the rest.
  send({.seq = 1, .ack = 1 + 2 * kMss + 700});
  wire.sent.clear();
  after(5ms);
  send({.seq = 1, .ack = 1 + 2 * kMss + 700, .sacks = {{1 + 4 * kMss, 1 + 8 * kMss}}});
  ASSERT_FALSE(wire.sent.empty());
  EXPECT_EQ(wire.sent.front().header.seq - stack_isn, 1 + 2 * kMss + 700);
  for (int i = 0; i < 20 && owner.connection->in_flight() > 0; ++i) {
    wire.sent.clear();
    after(10ms);
    send({.seq = 1, .ack = i < 10 ? 1 + 8 * kMss : 1 + 10 * kMss});
  }
  EXPECT_EQ(owner.connection->acknowledged(), 10u * kMss);
  write(20 * kMss);
  EXPECT_FALSE(wire.sent.empty());
  wire.sent.clear();
}

// mtcp 306: a ping-pong at 16 ms a turn.

TEST_F(KnownBugs, a_ping_pong_waits_for_no_timer) {
  accept();
  const Time began = now;
  for (uint32_t i = 0; i < 200; ++i) {
    send_later({.seq = 1 + 4 * i, .ack = 1 + 4 * i, .data = "ping"});
    write(4);
    expect({.seq = 1 + 4 * i, .ack = 5 + 4 * i, .length = 4});
  }
  EXPECT_EQ(now, began);
  expect_silence();
}

TEST_F(KnownBugs, a_small_write_does_not_wait_for_the_ack_of_the_one_before) {
  accept();
  for (uint32_t i = 0; i < 5; ++i) {
    write(10);
    expect({.seq = 1 + 10 * i, .length = 10});
  }
}

// mtcp 144: long flows slower than Linux. Beside Linux itself: tests/e2e/wire_test.py.

TEST_F(KnownBugs, a_long_flow_fills_its_bottleneck) {
  config.send_buffer = 1'000'000;
  accept(
      {.flags = SYN, .seq = 0, .window = 65535, .mss = 1460, .scale = 7, .sack_permitted = true});
  const uint64_t bytes = bottleneck(1ms, 20ms, 4s, 900'000);
  EXPECT_GE(bytes, uint64_t{4000} * kMss * 95 / 100);
}

}  // namespace
}  // namespace sluice::test
