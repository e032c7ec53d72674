// CUBIC, HyStart++, PRR and the RTT estimator by themselves.

#include <gtest/gtest.h>

#include "tcp/cubic.h"
#include "tcp/hystart.h"
#include "tcp/prr.h"
#include "tcp/rtt.h"

namespace sluice::tcp {
namespace {

constexpr uint32_t kMss = 1000;

AckSample ack(Time now, uint32_t delivered = kMss, Duration rtt = 20ms, bool used = true) {
  AckSample s;
  s.now = now;
  s.delivered = delivered;
  s.window_used = used;
  s.rtt = rtt;
  s.smoothed_rtt = rtt;
  return s;
}

TEST(Cubic, slow_start_doubles_in_a_round_trip) {
  Cubic c;
  c.start(kMss, 10 * kMss);
  for (int i = 0; i < 10; ++i) c.on_ack(ack(Time(1s)));
  EXPECT_EQ(c.window(), 20 * kMss);
}

TEST(Cubic, a_window_that_was_not_used_does_not_grow) {
  Cubic c;
  c.start(kMss, 10 * kMss);
  for (int i = 0; i < 100; ++i) c.on_ack(ack(Time(1s), kMss, 20ms, false));
  EXPECT_EQ(c.window(), 10 * kMss);
}

TEST(Cubic, a_loss_takes_three_tenths) {
  Cubic c;
  c.start(kMss, 100 * kMss);
  c.on_congestion(Time(1s), 100 * kMss);
  EXPECT_EQ(c.window(), 70 * kMss);
  EXPECT_EQ(c.threshold(), 70 * kMss);
}

TEST(Cubic, an_undone_loss_takes_nothing) {
  Cubic c;
  c.start(kMss, 100 * kMss);
  c.on_congestion(Time(1s), 100 * kMss);
  c.undo();
  EXPECT_EQ(c.window(), 100 * kMss);
  EXPECT_EQ(c.threshold(), UINT32_MAX);
}

TEST(Cubic, comes_back_to_the_old_window_in_k_seconds_and_lingers_there) {
  Cubic c;
  c.start(kMss, 1000 * kMss);
  c.on_congestion(Time(1s), 1000 * kMss);
  // K = cbrt(1000 * 0.3 / 0.4) = 9.1 s
  Time now = Time(1s);
  uint32_t at_half = 0;
  for (; now < Time(10100ms); now += 100ms) {
    for (int i = 0; i < 5; ++i) c.on_ack(ack(now, c.window() / 5, 100ms));
    if (now < Time(5500ms)) at_half = c.window();
  }
  EXPECT_NEAR(c.window(), 1000e3, 30e3);
  EXPECT_GT(at_half, 930 * kMss);  // most of the way in half of the time: concave
}

TEST(Cubic, is_no_slower_than_reno_on_a_short_path) {
  Cubic c;
  c.start(kMss, 20 * kMss);
  c.on_congestion(Time(1s), 20 * kMss);  // 14 segments
  Time now = Time(1s);
  for (int round = 0; round < 40; ++round, now += 1ms)
    for (uint32_t i = 0, n = c.window() / kMss; i < n; ++i) c.on_ack(ack(now, kMss, 1ms));
  EXPECT_GE(c.window(), 14 * kMss + 20 * kMss);  // about half a segment a round trip, then one
}

TEST(Cubic, a_timeout_leaves_one_segment_and_idleness_the_initial_window) {
  Cubic c;
  c.start(kMss, 100 * kMss);
  c.on_timeout(Time(1s), 100 * kMss);
  EXPECT_EQ(c.window(), kMss);
  EXPECT_EQ(c.threshold(), 70 * kMss);
  Cubic d;
  d.start(kMss, 100 * kMss);
  d.on_idle(Time(1s), 10 * kMss);
  EXPECT_EQ(d.window(), 10 * kMss);
}

TEST(Cubic, a_rest_leaves_the_window_the_threshold_and_the_plateau) {
  Cubic c;
  c.start(kMss, 100 * kMss);
  c.on_congestion(Time(1s), 100 * kMss);
  Cubic rested;
  rested.start(kMss, 100 * kMss);
  rested.on_congestion(Time(1s), 100 * kMss);
  rested.rest();
  EXPECT_EQ(rested.window(), c.window());
  EXPECT_EQ(rested.threshold(), c.threshold());
  for (Time now = Time(2s); now < Time(3s); now += 1ms) {
    c.on_ack(ack(now, kMss, 1ms));
    rested.on_ack(ack(now, kMss, 1ms));
    ASSERT_EQ(rested.window(), c.window());
  }
}

// RFC 9438, 4.8: the old window says nothing of a path on which everything was lost.
TEST(Cubic, after_a_timeout_the_curve_begins_where_slow_start_ends) {
  Cubic c;
  c.start(kMss, 1000 * kMss);
  c.on_timeout(Time(1s), 1000 * kMss);
  while (c.slow_start()) c.on_ack(ack(Time(2s)));
  EXPECT_EQ(c.window(), 700 * kMss);
  // One second of the curve from its plateau: 0.4 segments, and a Reno flow's 0.5 in each of ten
  // rounds. Toward the old window it would be 85.
  for (Time now = Time(2s); now < Time(3s); now += 100ms)
    for (int i = 0; i < 5; ++i) c.on_ack(ack(now, c.window() / 5, 100ms));
  EXPECT_LE(c.window(), 710 * kMss);
}

TEST(Cubic, the_clock_stands_still_while_the_application_is_the_limit) {
  Cubic busy, idle;
  Time now(1s);
  const auto round = [](Cubic& c, Time at, bool used) {
    for (int i = 0; i < 5; ++i) c.on_ack(ack(at, c.window() / 5, 20ms, used));
  };
  for (Cubic* c : {&busy, &idle}) {
    c->start(kMss, 94 * kMss);
    c->on_congestion(now, 94 * kMss);
    for (int i = 0; i < 50; ++i) round(*c, now + i * 20ms, true);
  }
  now += 50 * 20ms;
  EXPECT_EQ(busy.window(), idle.window());
  Time later = now;
  for (int i = 0; i < 3000; ++i, later += 20ms) round(idle, later, false);
  EXPECT_EQ(busy.window(), idle.window());
  for (int i = 0; i < 10; ++i) {
    round(busy, now + i * 20ms, true);
    round(idle, later + i * 20ms, true);
  }
  EXPECT_NEAR(idle.window(), busy.window(), 2 * kMss);
}

TEST(HyStart, a_growing_round_trip_ends_slow_start_after_five_slower_rounds) {
  HyStart h;
  Seq una = 0;
  auto round = [&](Duration rtt) {
    HyStart::Verdict v{};
    for (int i = 0; i < 10; ++i) v = h.on_ack(una + static_cast<Seq>(i), una + 10, rtt);
    una += 10;
    return v;
  };
  EXPECT_EQ(round(50ms), HyStart::Verdict::kGrow);
  EXPECT_EQ(round(50ms), HyStart::Verdict::kGrow);
  EXPECT_EQ(round(60ms), HyStart::Verdict::kConservative);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(round(60ms), HyStart::Verdict::kConservative);
  EXPECT_EQ(h.on_ack(una, una + 10, 60ms), HyStart::Verdict::kLeave);
}

TEST(HyStart, a_rise_that_was_noise_lets_slow_start_go_on) {
  HyStart h;
  Seq una = 0;
  auto round = [&](Duration rtt) {
    HyStart::Verdict v{};
    for (int i = 0; i < 10; ++i) v = h.on_ack(una + static_cast<Seq>(i), una + 10, rtt);
    una += 10;
    return v;
  };
  round(50ms);
  round(50ms);
  EXPECT_EQ(round(60ms), HyStart::Verdict::kConservative);
  EXPECT_EQ(round(51ms), HyStart::Verdict::kGrow);
}

TEST(Prr, lets_seven_leave_for_ten_that_arrive) {
  Prr p;
  p.start(100 * kMss);
  uint32_t pipe = 100 * kMss;
  uint32_t out = 0;
  for (int i = 0; i < 20; ++i) {
    pipe -= kMss;
    p.on_ack(kMss, pipe, 70 * kMss, kMss, false);
    while (p.allowance() >= kMss) {
      p.sent(kMss);
      pipe += kMss;
      out += kMss;
    }
  }
  EXPECT_NEAR(out, 14e3, 1e3);
}

TEST(RttEstimator, follows_rfc_6298) {
  RttEstimator r;
  EXPECT_EQ(r.rto(1s, 200ms, 60s), 1s);
  r.sample(100ms, Time(1s));
  EXPECT_EQ(r.smoothed(), 100ms);
  EXPECT_EQ(r.rto(1s, 200ms, 60s), 300ms);
  r.sample(180ms, Time(2s));
  EXPECT_EQ(r.smoothed(), 110ms);
  EXPECT_EQ(r.variance(), Duration(57'500us));
  EXPECT_EQ(r.minimum(), 100ms);
}

TEST(RttEstimator, a_quiet_path_waits_for_a_round_trip_and_the_floor) {
  for (const Duration rtt : {Duration(50us), Duration(20ms), Duration(300ms)}) {
    RttEstimator r;
    for (int i = 0; i < 100; ++i) r.sample(rtt, Time(1s));
    EXPECT_EQ(r.rto(1s, 200ms, 60s), rtt + 200ms);
  }
}

}  // namespace
}  // namespace sluice::tcp
