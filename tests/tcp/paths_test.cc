// One connection over paths of every length, in virtual time: long and quiet, short and bursty,
// with peers that delay their ACKs and applications that send little.

#include <gtest/gtest.h>

#include "simulated_flow.h"

namespace sluice::test {
namespace {

constexpr uint64_t kPathMss = 1448;  // 1,480 bytes of segment, header and timestamps subtracted

LinkModel path(Duration round_trip, uint64_t rate = 12'500'000) {
  LinkModel m;
  m.delay = round_trip / 2;
  m.rate = rate;
  m.queue = 2000;
  return m;
}

bool carries_data(const Packet& p) {
  return p.bytes.size() > size_t{p.bytes[12]} / 16 * 4;
}

// Loses each n-th data segment.
void lose_each(Flow& f, unsigned n) {
  f.world.drop = [n, count = 0u](const Packet& p) mutable {
    return carries_data(p) && ++count % n == 0;
  };
}

// Long paths.

TEST(LongPaths, a_rare_loss_costs_no_timeout) {
  for (const Duration round_trip : {150ms, 180ms, 200ms, 300ms, 600ms}) {
    Flow f(path(round_trip), 1, 20'000'000);
    lose_each(f, 2000);
    EXPECT_TRUE(f.run_until_received(20'000'000));
    EXPECT_GE(f.counters().fast_recoveries.get(), 3u);
    EXPECT_EQ(f.counters().rto.get(), 0u) << round_trip / 1ms << " ms of round trip";
  }
}

TEST(LongPaths, a_lone_segment_whose_ack_is_delayed_causes_no_timeout) {
  for (const Duration delayed : {40ms, 100ms, 200ms}) {
    for (const Duration round_trip :
         {Duration(50us), Duration(20ms), Duration(100ms), Duration(200ms), Duration(300ms)}) {
      tcp::Config peer;
      peer.quick_acks = 0;
      peer.delayed_ack = delayed;
      Flow f(path(round_trip), 1, 0, {}, peer);
      f.open();
      for (int i = 0; i < 50; ++i) f.exchange(100, 300ms);
      const auto where = [&] {
        return testing::Message() << "ACKs delayed by " << delayed / 1ms << " ms, "
                                  << round_trip / 1us << " us of round trip";
      };
      EXPECT_EQ(f.counters().rto.get(), 0u) << where();
      EXPECT_LE(f.counters().tail_probes.get(), 1u) << where();
      EXPECT_GE(f.window(), 10u) << where();
    }
  }
}

// Three segments are acknowledged in two parts, and the second is late.
TEST(LongPaths, a_peer_that_delays_its_acks_is_not_probed_again_and_again) {
  for (const Duration delayed : {40ms, 100ms, 200ms}) {
    for (const Duration round_trip : {Duration(50us), Duration(20ms), Duration(100ms)}) {
      tcp::Config peer;
      peer.quick_acks = 0;
      peer.delayed_ack = delayed;
      Flow f(path(round_trip), 1, 0, {}, peer);
      f.open();
      for (int i = 0; i < 50; ++i) f.exchange(3 * kPathMss, 100ms);
      const auto where = [&] {
        return testing::Message() << "ACKs delayed by " << delayed / 1ms << " ms, "
                                  << round_trip / 1us << " us of round trip";
      };
      EXPECT_EQ(f.counters().rto.get(), 0u) << where();
      EXPECT_LE(f.counters().tail_probes.get(), 9u) << where();
      EXPECT_GE(f.window(), 10u) << where();
    }
  }
}

// Karn's second half (RFC 6298, 5.7): without timestamps nothing else teaches the new round trip.
TEST(LongPaths, a_round_trip_that_became_long_is_learned_without_timestamps) {
  LinkModel m = path(50ms);
  m.timestamps = false;
  Flow f(m);
  f.open();
  for (int i = 0; i < 20; ++i) f.exchange(1400, 100ms);
  EXPECT_EQ(f.counters().retransmits.get(), 0u);
  f.world.model.delay = 750ms;
  for (int i = 0; i < 30; ++i) f.exchange(1400, 100ms);
  EXPECT_LE(f.counters().retransmits.get(), 12u);
  EXPECT_LE(f.counters().path_mtu_black_holes.get(), 1u);
}

// Short paths.

// Every message of four segments is acknowledged; one in fifty arrives after 0.6 ms, which is
// beyond the probe timeout. Nothing is ever lost.
TEST(ShortPaths, a_peer_that_is_held_up_now_and_then_costs_no_window) {
  Flow f(path(50us, 3'125'000'000));
  f.open();
  f.exchange(1'000'000, 1ms);
  const uint32_t before = f.window();
  EXPECT_GE(before, 300u);
  Time awake{};  // the peer's process waits for its core until then
  f.world.hold = [&](const Packet& p) {
    return carries_data(p) ? std::max(awake - f.world.now, Duration{}) : Duration{};
  };
  for (int message = 1; message <= 1000; ++message) {
    if (message % 50 == 0) awake = f.world.now + 600us;
    f.exchange(4 * kPathMss, 100us);
  }
  EXPECT_EQ(f.counters().rto.get(), 0u);
  EXPECT_GE(f.counters().tail_probes.get(), 1u);
  EXPECT_GE(f.window(), before);
  EXPECT_LE(f.counters().tail_probes.get(), 5u);
}

TEST(ShortPaths, slow_start_doubles_each_round_though_all_acks_of_a_round_come_in_one_turn) {
  LinkModel m = path(10ms, 3'125'000'000);
  m.turn = 10ms;
  tcp::Config c;
  c.pacing = false;
  c.send_buffer = c.receive_buffer = 4'000'000;
  Flow f(m, 1, 10'000'000, c, c);
  while (f.sender.connection == nullptr && f.world.step()) {
  }
  std::string rounds;
  uint32_t last = f.window();
  for (const Time until = f.world.now + 1s; last < 640 && f.world.now < until && f.world.step();) {
    if (f.window() == last) continue;
    rounds += std::to_string(last) + " ";
    last = f.window();
  }
  EXPECT_EQ(rounds, "10 20 40 80 160 320 ");
}

// 156 kB are on the way: 110 segments, four doublings of ten.
TEST(ShortPaths, slow_start_reaches_a_line_of_25_gigabits_in_as_many_rounds_as_it_has_doublings) {
  for (const Duration turn : {Duration{}, Duration(10us), Duration(25us)}) {
    LinkModel m = path(50us, 3'125'000'000);
    m.turn = turn;
    Flow f(m, 1, 10'000'000);
    while (f.sender.connection == nullptr && f.world.step()) {
    }
    const Time begin = f.world.now;
    while (f.window() < 110 && f.world.now < begin + 1s && f.world.step()) {
    }
    EXPECT_LE(f.world.now - begin, 5 * (50us + turn)) << turn / 1us << " us a turn";
  }
}

// The application is the limit.

TEST(AppLimited, a_window_that_was_not_needed_for_a_minute_grows_as_if_the_minute_had_not_been) {
  Flow f(path(20ms, 1'250'000'000));
  f.open();
  // One loss in the middle of a bulk transfer: from here on the cubic curve runs.
  f.world.drop = [n = 0](const Packet& p) mutable { return carries_data(p) && ++n == 100; };
  f.exchange(1'000'000, 1ms);
  EXPECT_EQ(f.counters().fast_recoveries.get(), 1u);
  for (int i = 0; i < 600; ++i) f.exchange(1000, 80ms);
  const uint32_t before = f.window();
  ASSERT_GE(before, 30u);
  // Five round trips at the window's limit.
  f.sender.send(20'000'000);
  f.world.hosts[0]->stack.flush(f.world.now);
  f.world.run_for(110ms);
  EXPECT_LE(f.window(), before + before / 5) << before;
}

}  // namespace
}  // namespace sluice::test
