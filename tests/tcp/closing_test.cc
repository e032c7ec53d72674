// FIN-WAIT-1, FIN-WAIT-2, CLOSING, TIME-WAIT, CLOSE-WAIT and LAST-ACK.

#include "fixture.h"

namespace sluice::test {
namespace {

using tcp::CloseReason;
using FinWait1 = TcpTest;
using FinWait2 = TcpTest;
using Closing = TcpTest;
using CloseWait = TcpTest;
using LastAck = TcpTest;

class TimeWait : public TcpTest {
 protected:
  void reach() {
    accept();
    owner.connection->close();
    flush();
    expect({.flags = FIN | ACK, .seq = 1});
    send({.seq = 1, .ack = 2});
    send({.flags = FIN | ACK, .seq = 1, .ack = 2});
    expect({.seq = 2, .ack = 2});
  }
};

TEST_F(FinWait1, queued_bytes_leave_before_the_fin_and_with_it) {
  accept();
  write_later(2000);
  owner.connection->close();
  flush();
  expect({.seq = 1, .length = 1460});
  expect({.flags = FIN | ACK, .seq = 1461, .length = 540});
}

TEST_F(FinWait1, a_lost_fin_is_sent_again) {
  accept();
  owner.connection->close();
  flush();
  expect({.flags = FIN | ACK, .seq = 1});
  after(1100ms);
  expect({.flags = FIN | ACK, .seq = 1});
}

TEST_F(FinWait1, fin_and_ack_of_ours_in_one_segment_go_straight_to_time_wait) {
  accept();
  owner.connection->close();
  flush();
  expect({.flags = FIN | ACK, .seq = 1});
  send({.flags = FIN | ACK, .seq = 1, .ack = 2});
  expect({.seq = 2, .ack = 2});
  EXPECT_TRUE(owner.end_of_data);
  EXPECT_EQ(owner.closed, CloseReason::kFinished);
  EXPECT_EQ(stack().time_wait(), 1u);
}

TEST_F(FinWait2, the_peer_may_go_on_sending) {
  accept();
  owner.connection->close();
  flush();
  expect({.flags = FIN | ACK, .seq = 1});
  send({.seq = 1, .ack = 2});
  send({.seq = 1, .ack = 2, .data = "still here"});
  EXPECT_EQ(owner.received, "still here");
  after(41ms);
  expect({.seq = 2, .ack = 11});
}

TEST_F(FinWait2, a_peer_that_says_nothing_any_more_is_given_up) {
  config.fin_wait_2 = 20s;
  accept();
  owner.connection->close();
  flush();
  send({.seq = 1, .ack = 2});
  after(21s);
  EXPECT_EQ(owner.closed, CloseReason::kTimeout);
  EXPECT_EQ(stack().connections(), 0u);
  wire.sent.clear();
}

TEST_F(FinWait2, a_peer_whose_keepalives_are_answered_is_not_given_up) {
  config.fin_wait_2 = 20s;
  accept();
  owner.connection->close();
  flush();
  expect({.flags = FIN | ACK, .seq = 1});
  send({.seq = 1, .ack = 2});
  for (int i = 0; i < 6; ++i) {
    after(10s);
    send({.seq = 0, .ack = 2});
    expect({.seq = 2, .ack = 1});
  }
  EXPECT_FALSE(owner.closed);
  send({.seq = 1, .ack = 2, .data = "at last"});
  EXPECT_EQ(owner.received, "at last");
  wire.sent.clear();
  after(15s);
  EXPECT_FALSE(owner.closed);
  send({.seq = 7, .ack = 900});  // acknowledges what was never sent: says nothing
  after(6s);
  EXPECT_EQ(owner.closed, CloseReason::kTimeout);
  wire.sent.clear();
}

TEST_F(Closing, both_sides_may_close_at_the_same_time) {
  accept();
  owner.connection->close();
  flush();
  expect({.flags = FIN | ACK, .seq = 1, .ack = 1});
  send({.flags = FIN | ACK, .seq = 1, .ack = 1});
  expect({.seq = 2, .ack = 2});
  EXPECT_FALSE(owner.closed);
  send({.seq = 2, .ack = 2});
  EXPECT_EQ(owner.closed, CloseReason::kFinished);
  EXPECT_EQ(stack().time_wait(), 1u);
}

TEST_F(TimeWait, it_is_a_small_record_that_is_gone_in_time) {
  reach();
  EXPECT_EQ(stack().connections(), 0u);
  EXPECT_EQ(stack().time_wait(), 1u);
  EXPECT_LE(sizeof(tcp::TimeWait), 128u);
  after(59s);
  EXPECT_EQ(stack().time_wait(), 1u);
  after(2s);
  EXPECT_EQ(stack().time_wait(), 0u);
}

TEST_F(TimeWait, a_repeated_fin_is_acknowledged_and_starts_the_time_anew) {
  reach();
  after(50s);
  send({.flags = FIN | ACK, .seq = 1, .ack = 2});
  expect({.seq = 2, .ack = 2});
  after(50s);
  EXPECT_EQ(stack().time_wait(), 1u);
}

TEST_F(TimeWait, a_reset_does_not_assassinate_it) {
  reach();
  send({.flags = RST, .seq = 2});
  EXPECT_EQ(stack().time_wait(), 1u);
  expect_silence();
}

TEST_F(TimeWait, a_new_connection_with_a_higher_number_takes_its_place) {
  reach();
  send({.flags = SYN, .seq = 1000, .mss = 1460});
  expect({.flags = SYN | ACK, .ack = 1001});
  EXPECT_EQ(stack().time_wait(), 0u);
  EXPECT_EQ(counters.time_wait_reused.get(), 1u);
}

// RFC 9293, 3.6.1. The clock of sequence numbers makes 250 kB a second; this connection sent more.
TEST_F(TimeWait, the_connection_that_takes_its_place_begins_behind_what_the_old_one_sent) {
  accept();
  constexpr uint32_t kSent = 1'000'000;
  for (uint32_t at = 1; at <= kSent;) {
    write(std::min<uint32_t>(14'600, kSent + 1 - at));
    while (!wire.sent.empty()) {
      at = wire.sent.back().header.seq - stack_isn +
           static_cast<uint32_t>(wire.sent.back().data.size());
      wire.sent.clear();
      after(100us);
      send({.seq = 1, .ack = at});
    }
  }
  owner.connection->close();
  flush();
  expect({.flags = FIN | ACK, .seq = kSent + 1});
  send({.flags = FIN | ACK, .seq = 1, .ack = kSent + 2});
  expect({.seq = kSent + 2, .ack = 2});
  ASSERT_EQ(stack().time_wait(), 1u);
  const uint32_t last = stack_isn + kSent + 2;
  send({.flags = SYN, .seq = 1000, .mss = 1460});
  expect({.flags = SYN | ACK, .ack = 1001});
  EXPECT_EQ(counters.time_wait_reused.get(), 1u);
  EXPECT_TRUE(tcp::before(last, stack_isn));
}

TEST_F(TimeWait, an_old_syn_does_not) {
  reach();
  send({.flags = SYN, .seq = 0});
  EXPECT_EQ(stack().time_wait(), 1u);
  EXPECT_EQ(stack().half_open(), 0u);
  wire.sent.clear();
}

TEST_F(TimeWait, records_are_bounded_and_the_oldest_goes_first) {
  config.max_time_wait = 3;
  for (int i = 0; i < 5; ++i) {
    reach();
    ++there.port;
  }
  EXPECT_EQ(stack().time_wait(), 3u);
  EXPECT_EQ(counters.time_wait_evicted.get(), 2u);
}

TEST_F(CloseWait, sending_goes_on_after_the_peers_fin) {
  accept();
  send({.flags = FIN | ACK, .seq = 1, .ack = 1});
  EXPECT_TRUE(owner.end_of_data);
  expect({.seq = 1, .ack = 2});
  EXPECT_FALSE(owner.closed);
  write(100);
  expect({.seq = 1, .ack = 2, .length = 100});
}

TEST_F(CloseWait, a_fin_behind_a_gap_waits_for_the_gap) {
  accept();
  send({.flags = FIN | ACK, .seq = 4, .ack = 1, .data = "def"});
  EXPECT_FALSE(owner.end_of_data);
  expect({.ack = 1, .sacks = {{4, 7}}});
  send({.seq = 1, .ack = 1, .data = "abc"});
  EXPECT_EQ(owner.received, "abcdef");
  EXPECT_TRUE(owner.end_of_data);
  expect({.ack = 8});
}

TEST_F(CloseWait, a_repeated_fin_is_acknowledged_again) {
  accept();
  send({.flags = FIN | ACK, .seq = 1, .ack = 1});
  expect({.ack = 2});
  send({.flags = FIN | ACK, .seq = 1, .ack = 1});
  expect({.ack = 2, .sacks = {{1, 2}}});
}

// macOS does so for a socket that was closed and then gets data.
TEST_F(CloseWait, a_reset_with_the_number_of_the_fin_resets) {
  accept();
  send({.flags = FIN | ACK, .seq = 1, .ack = 1});
  expect({.ack = 2});
  send({.flags = RST, .seq = 0});
  EXPECT_FALSE(owner.closed);
  EXPECT_EQ(counters.resets_ignored.get(), 1u);
  send({.flags = RST, .seq = 1});
  EXPECT_EQ(owner.closed, CloseReason::kReset);
  EXPECT_EQ(counters.resets_in.get(), 1u);
}

TEST_F(CloseWait, an_abort_resets) {
  accept();
  send({.flags = FIN | ACK, .seq = 1, .ack = 1});
  expect({.ack = 2});
  owner.connection->abort();
  expect({.flags = RST | ACK, .seq = 1, .ack = 2});
  flush();
  EXPECT_EQ(owner.closed, CloseReason::kAborted);
}

TEST_F(LastAck, the_last_ack_leaves_nothing_behind) {
  accept();
  send({.flags = FIN | ACK, .seq = 1, .ack = 1});
  expect({.ack = 2});
  owner.connection->close();
  flush();
  expect({.flags = FIN | ACK, .seq = 1, .ack = 2});
  send({.seq = 2, .ack = 2});
  EXPECT_EQ(owner.closed, CloseReason::kFinished);
  EXPECT_EQ(stack().connections(), 0u);
  EXPECT_EQ(stack().time_wait(), 0u);
}

TEST_F(LastAck, ten_thousand_connections_leave_only_time_wait) {
  config.max_time_wait = 20'000;
  for (int i = 0; i < 10'000; ++i) {
    there.port = static_cast<uint16_t>(1024 + i);
    accept();
    owner.connection->close();
    flush();
    send({.flags = FIN | ACK, .seq = 1, .ack = 2});
    wire.sent.clear();
    ASSERT_TRUE(owner.closed);
    owner.closed.reset();
  }
  EXPECT_EQ(stack().connections(), 0u);
  EXPECT_EQ(stack().half_open(), 0u);
  EXPECT_EQ(stack().time_wait(), 10'000u);
  after(61s);
  EXPECT_EQ(stack().time_wait(), 0u);
}

}  // namespace
}  // namespace sluice::test
