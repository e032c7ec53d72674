#include "base/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/random.h"

namespace sluice {
namespace {

struct Probe {
  explicit Probe(Time now) : born(now) {}
  Time born;
  Time fired = kNever;
  int times = 0;
  Timer timer{[](void* self, Time now) {
                static_cast<Probe*>(self)->fired = now;
                ++static_cast<Probe*>(self)->times;
              },
              this};
};

TEST(TimerWheel, a_timer_never_fires_early_and_at_most_one_tick_late) {
  Random random(1);
  Time now{1'234'567'890ns};
  TimerWheel wheel(now);
  std::vector<std::unique_ptr<Probe>> probes;
  std::vector<Time> deadlines;
  for (int i = 0; i < 5000; ++i) {
    probes.push_back(std::make_unique<Probe>(now));
    const auto exponent = 10 + random.below(32);
    deadlines.push_back(now + Duration(random.below(uint64_t{1} << exponent)));
    wheel.arm(probes.back()->timer, deadlines.back());
  }
  const Time end = now + std::chrono::minutes(80);
  while (now < end) {
    const Time before = now;
    now = std::min(std::max(wheel.next(), now + 1us), end);
    wheel.advance(now);
    for (size_t i = 0; i < probes.size(); ++i) {
      if (probes[i]->times == 0 || probes[i]->fired != now) continue;
      EXPECT_GE(now, deadlines[i]);
      EXPECT_LE(now - deadlines[i], TimerWheel::kTick + (now - before)) << i;
      deadlines[i] = now;
    }
  }
  for (auto& p : probes) EXPECT_EQ(p->times, 1);
  EXPECT_EQ(wheel.next(), kNever);
}

TEST(TimerWheel, next_is_never_later_than_the_earliest_deadline_by_more_than_a_tick) {
  Random random(2);
  Time now{0ns};
  TimerWheel wheel(now);
  Probe p(now);
  for (int i = 0; i < 2000; ++i) {
    const Time deadline = now + Duration(random.below(uint64_t{1} << (17 + random.below(24))));
    wheel.arm(p.timer, deadline);
    EXPECT_LT(wheel.next() - deadline, TimerWheel::kTick * 2);
    now += Duration(random.below(100'000'000));
    wheel.advance(now);
  }
}

// Beside the plain rule: of the timers that are due at each moment, all and no others have fired.
TEST(TimerWheel, gaps_of_any_length_fire_what_is_due_and_nothing_else) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    Time now{Duration(random.below(uint64_t{1} << 60))};
    TimerWheel wheel(now);
    std::vector<std::unique_ptr<Probe>> probes;
    std::vector<Time> deadlines;
    for (int step = 0; step < 60; ++step) {
      for (int i = 0; i < 3; ++i) {  // from a microsecond to 52 days
        probes.push_back(std::make_unique<Probe>(now));
        deadlines.push_back(now + Duration(random.below(uint64_t{1} << (10 + random.below(43)))));
        wheel.arm(probes.back()->timer, deadlines.back());
      }
      const Time earliest =
          *std::min_element(deadlines.begin(), deadlines.end(),
                            [&](Time a, Time b) { return std::max(a, now) < std::max(b, now); });
      if (earliest > now + TimerWheel::kTick) {
        EXPECT_LT(wheel.next() - earliest, TimerWheel::kTick * 2) << seed;
      }
      now += Duration(random.below(uint64_t{1} << (10 + random.below(43))));
      wheel.advance(now);
      for (size_t i = 0; i < probes.size();) {
        const bool fired = probes[i]->times == 1;
        EXPECT_TRUE(fired || deadlines[i] + TimerWheel::kTick > now) << seed;
        EXPECT_FALSE(fired && deadlines[i] > now) << seed;
        if (!fired) {
          ++i;
          continue;
        }
        probes.erase(probes.begin() + static_cast<ptrdiff_t>(i));
        deadlines.erase(deadlines.begin() + static_cast<ptrdiff_t>(i));
      }
    }
  }
}

TEST(TimerWheel, a_disarmed_or_destroyed_timer_does_not_fire) {
  Time now{0ns};
  TimerWheel wheel(now);
  Probe kept(now);
  wheel.arm(kept.timer, now + 1ms);
  kept.timer.disarm();
  {
    Probe gone(now);
    wheel.arm(gone.timer, now + 1ms);
  }
  wheel.advance(now + 10ms);
  EXPECT_EQ(kept.times, 0);
}

TEST(TimerWheel, arming_again_moves_the_deadline) {
  Time now{0ns};
  TimerWheel wheel(now);
  Probe p(now);
  wheel.arm(p.timer, now + 1s);
  wheel.arm(p.timer, now + 3s);
  wheel.advance(now + 2s);
  EXPECT_EQ(p.times, 0);
  wheel.advance(now + 4s);
  EXPECT_EQ(p.times, 1);
}

}  // namespace
}  // namespace sluice
