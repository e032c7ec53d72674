// Timeouts, tail loss probes, RACK and undoing, segment by segment.

#include "fixture.h"

namespace sluice::test {
namespace {

constexpr uint32_t kMss = 1460;

class LossRecovery : public TcpTest {
 protected:
  // A handshake and an exchange over that round trip, peer with SACK and without timestamps.
  void established(Duration round_trip) {
    send({.flags = SYN, .seq = 0, .window = 65535, .mss = 1460, .sack_permitted = true});
    expect({.flags = SYN | ACK, .seq = 0, .ack = 1});
    after(round_trip);
    send({.seq = 1, .ack = 1});
    for (int i = 0; i < 20; ++i) {
      write(kMss);
      wire.sent.clear();
      after(round_trip);
      acked_ += kMss;
      send({.seq = 1, .ack = acked_});
    }
    wire.sent.clear();
    ASSERT_EQ(counters.tail_probes.get() + counters.rto.get(), 0u);
  }
  uint32_t window() const { return owner.connection->congestion_window(); }

  uint32_t acked_ = 1;
};

// The rest.

TEST_F(LossRecovery, a_connection_at_rest_gives_memory_back_and_recovers_from_later_losses) {
  established(10ms);
  for (int i = 0; i < 2; ++i) {
    write(5 * kMss);
    wire.sent.clear();
    after(11ms);
    send({.seq = 1, .ack = acked_, .sacks = {{acked_ + kMss, acked_ + kMss * 5}}});
    expect({.seq = acked_, .length = kMss});
    after(11ms);
    EXPECT_FALSE(owner.connection->rests());
    acked_ += 5 * kMss;
    send({.seq = 1, .ack = acked_});
    after(500ms);
    EXPECT_FALSE(owner.connection->rests()) << "the pause is short";
    after(3s);
    EXPECT_TRUE(owner.connection->rests());
    expect_silence();
    EXPECT_EQ(counters.fast_recoveries.get(), i + 1u);
    EXPECT_EQ(counters.rto.get(), 0u);
  }
}

TEST_F(LossRecovery, a_connection_with_data_in_flight_does_not_rest) {
  established(10ms);
  write(100);
  after(3s);
  EXPECT_FALSE(owner.connection->rests());
  EXPECT_GT(counters.rto.get(), 0u);
  wire.sent.clear();
}

// The timeout.

TEST_F(LossRecovery, the_timeout_stays_away_from_a_fast_recovery_on_a_long_path) {
  established(200ms);
  write(10 * kMss);
  EXPECT_EQ(wire.sent.size(), 10u);
  wire.sent.clear();
  after(201ms);
  // The first of ten was lost. Its retransmission takes another round trip.
  send({.seq = 1, .ack = acked_, .sacks = {{acked_ + kMss, acked_ + kMss * 10}}});
  expect({.seq = acked_, .length = kMss});
  after(201ms);
  EXPECT_EQ(counters.rto.get(), 0u);
  acked_ += 10 * kMss;
  send({.seq = 1, .ack = acked_});
  EXPECT_GE(window(), 7 * kMss);
  EXPECT_EQ(counters.rto.get(), 0u);
}

// Tail loss probes (RFC 8985, 7).

TEST_F(LossRecovery, a_lone_segment_is_probed_and_not_timed_out) {
  established(10ms);
  const uint32_t before = window();
  write(100);
  wire.sent.clear();
  after(215ms);
  expect({.seq = acked_, .length = 100});
  EXPECT_EQ(counters.tail_probes.get(), 1u);
  EXPECT_EQ(counters.rto.get(), 0u);
  EXPECT_EQ(window(), before);
  // The probe is lost too.
  after(215ms);
  expect({.seq = acked_, .length = 100});
  EXPECT_EQ(counters.rto.get(), 1u);
}

TEST_F(LossRecovery, a_probe_whose_original_arrived_late_costs_nothing) {
  established(10ms);
  const uint32_t before = window();
  write(4 * kMss);
  wire.sent.clear();
  after(25ms);
  EXPECT_EQ(counters.tail_probes.get(), 1u);
  wire.sent.clear();
  // The ACK of the original, then that of the probe: a D-SACK.
  acked_ += 4 * kMss;
  send({.seq = 1, .ack = acked_});
  EXPECT_EQ(window(), before);
  send({.seq = 1, .ack = acked_, .sacks = {{acked_ - kMss, acked_}}});
  EXPECT_EQ(window(), before);
  write(kMss);
  after(10ms);
  send({.seq = 1, .ack = acked_ + kMss});
  EXPECT_GE(window(), before);
  EXPECT_EQ(counters.needless_tail_probes.get(), 1u);
  wire.sent.clear();
}

TEST_F(LossRecovery, a_peer_without_d_sack_says_by_a_duplicate_ack_that_a_probe_was_needless) {
  established(10ms);
  const uint32_t before = window();
  write(4 * kMss);
  after(25ms);
  EXPECT_EQ(counters.tail_probes.get(), 1u);
  acked_ += 4 * kMss;
  send({.seq = 1, .ack = acked_});
  send({.seq = 1, .ack = acked_});
  write(kMss);
  after(10ms);
  send({.seq = 1, .ack = acked_ + kMss});
  EXPECT_GE(window(), before);
  EXPECT_EQ(counters.needless_tail_probes.get(), 1u);
  wire.sent.clear();
}

TEST_F(LossRecovery, a_loss_that_a_probe_repaired_costs_what_a_loss_costs) {
  established(10ms);
  const uint32_t before = window();
  write(4 * kMss);
  after(25ms);
  EXPECT_EQ(counters.tail_probes.get(), 1u);
  acked_ += 4 * kMss;
  send({.seq = 1, .ack = acked_});  // and no word of a duplicate
  after(10ms);
  write(kMss);
  after(10ms);
  acked_ += kMss;
  send({.seq = 1, .ack = acked_});
  EXPECT_LE(window(), before * 71 / 100);
  EXPECT_EQ(counters.needless_tail_probes.get(), 0u);
  wire.sent.clear();
}

TEST_F(LossRecovery, a_reduction_is_undone_by_the_word_of_a_duplicate_that_was_overtaken) {
  established(10ms);
  const uint32_t before = window();
  write(4 * kMss);
  after(25ms);
  acked_ += 4 * kMss;
  send({.seq = 1, .ack = acked_});
  write(kMss);
  acked_ += kMss;
  send({.seq = 1, .ack = acked_});
  EXPECT_LT(window(), before);
  send({.seq = 1, .ack = acked_, .sacks = {{acked_ - 2 * kMss, acked_ - kMss}}});
  EXPECT_GE(window(), before);
  wire.sent.clear();
}

TEST_F(LossRecovery, the_next_burst_is_probed_though_nothing_was_heard_of_the_last_probe) {
  established(10ms);
  write(4 * kMss);
  after(25ms);
  EXPECT_EQ(counters.tail_probes.get(), 1u);
  acked_ += 4 * kMss;
  send({.seq = 1, .ack = acked_});
  write(4 * kMss);
  wire.sent.clear();
  after(25ms);
  expect({.seq = acked_ + 3 * kMss, .length = kMss});
  EXPECT_EQ(counters.tail_probes.get(), 2u);
  EXPECT_EQ(counters.rto.get(), 0u);
}

TEST_F(LossRecovery, probes_come_later_while_they_are_needless_and_sooner_when_one_was_not) {
  established(100us);
  unsigned probed = 0;
  for (int i = 0; i < 400; ++i) {
    const uint64_t before = counters.tail_probes.get();
    write(4 * kMss);
    // Now and then the peer's process has to wait for its core.
    after(i % 20 == 0 ? Duration(5ms) : Duration(100us));
    acked_ += 4 * kMss;
    send({.seq = 1, .ack = acked_});
    if (counters.tail_probes.get() > before) {
      ++probed;
      send({.seq = 1, .ack = acked_, .sacks = {{acked_ - kMss, acked_}}});
    }
    wire.sent.clear();
  }
  EXPECT_GE(probed, 1u);
  EXPECT_LE(probed, 4u);
  EXPECT_EQ(counters.needless_tail_probes.get(), probed);
  // Now the ends of messages are lost: the probe that repairs one makes the next come sooner.
  Duration last = 1s;
  for (int i = 0; i < 3; ++i) {
    const uint64_t before = counters.tail_probes.get();
    const Time sent = now;
    write(4 * kMss);
    send({.seq = 1, .ack = acked_ + kMss});
    while (counters.tail_probes.get() == before && now < sent + 1s) after(100us);
    EXPECT_LT(now - sent, last);
    last = now - sent;
    acked_ += 4 * kMss;
    after(100us);
    send({.seq = 1, .ack = acked_});
    write(kMss);
    after(100us);
    acked_ += kMss;
    send({.seq = 1, .ack = acked_});
    wire.sent.clear();
  }
  EXPECT_EQ(counters.rto.get(), 0u);
}

// RACK (RFC 8985, 6.2).

TEST_F(LossRecovery, an_ack_that_advances_and_carries_the_first_sack_is_no_reordering) {
  established(20ms);
  write(10 * kMss);
  wire.sent.clear();
  after(20ms);
  // The second was lost; the ACKs of all others came as one.
  send({.seq = 1, .ack = acked_ + kMss, .sacks = {{acked_ + 2 * kMss, acked_ + 10 * kMss}}});
  expect({.seq = acked_ + kMss, .length = kMss});
  EXPECT_EQ(counters.fast_recoveries.get(), 1u);
}

// A needless recovery is the best proof of reordering: the next waits a quarter of a round trip.
TEST_F(LossRecovery, what_a_duplicate_proves_to_be_overtaken_is_reordering) {
  established(20ms);
  for (int i = 0; i < 2; ++i) {
    write(8 * kMss);
    after(20ms);
    send({.seq = 1, .ack = acked_, .sacks = {{acked_ + kMss, acked_ + 8 * kMss}}});
    EXPECT_EQ(counters.retransmits.get(), 1u);
    after(3ms);
    acked_ += 8 * kMss;
    send({.seq = 1, .ack = acked_});
    if (i == 0) send({.seq = 1, .ack = acked_, .sacks = {{acked_ - 8 * kMss, acked_ - 7 * kMss}}});
  }
  EXPECT_EQ(counters.spurious_recoveries.get(), 1u);
  EXPECT_EQ(counters.fast_recoveries.get(), 1u);
  wire.sent.clear();
}

// Undoing.

TEST_F(LossRecovery, what_arrives_before_it_is_sent_again_was_not_lost) {
  established(20ms);
  const uint32_t before = window();
  for (int i = 0; i < 10; ++i) {
    write(8 * kMss);
    after(20ms);
    // Two ACKs in one turn: the first segment was overtaken by the others, and is there.
    send_later({.seq = 1, .ack = acked_, .sacks = {{acked_ + kMss, acked_ + 8 * kMss}}});
    acked_ += 8 * kMss;
    send({.seq = 1, .ack = acked_});
  }
  EXPECT_EQ(counters.retransmits.get(), 0u);
  EXPECT_EQ(counters.spurious_recoveries.get(), counters.fast_recoveries.get());
  EXPECT_GE(window(), before);
  wire.sent.clear();
}

TEST_F(LossRecovery, a_duplicate_from_the_network_does_not_undo_a_genuine_reduction) {
  established(20ms);
  write(10 * kMss);
  wire.sent.clear();
  after(20ms);
  // The second was lost, the first came twice.
  send({.seq = 1, .ack = acked_ + kMss, .sacks = {{acked_ + 2 * kMss, acked_ + 10 * kMss}}});
  after(10ms);
  const uint32_t reduced = window();
  EXPECT_EQ(counters.fast_recoveries.get(), 1u);
  EXPECT_EQ(counters.retransmits.get(), 1u);
  send({.seq = 1,
        .ack = acked_ + kMss,
        .sacks = {{acked_, acked_ + kMss}, {acked_ + 2 * kMss, acked_ + 10 * kMss}}});
  EXPECT_EQ(counters.spurious_recoveries.get(), 0u);
  EXPECT_EQ(window(), reduced);
  // Nor does a duplicate of what nobody sent again.
  send(
      {.seq = 1,
       .ack = acked_ + kMss,
       .sacks = {{acked_ + 4 * kMss, acked_ + 5 * kMss}, {acked_ + 2 * kMss, acked_ + 10 * kMss}}});
  EXPECT_EQ(counters.spurious_recoveries.get(), 0u);
  wire.sent.clear();
}

}  // namespace
}  // namespace sluice::test
