#include "impairment.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::wire {
namespace {

constexpr uint32_t kSize = 1514;

std::string complaint(std::string_view text) {
  try {
    parse_spec(text);
  } catch (const SpecError& e) {
    return e.what();
  }
  return "";
}

TEST(Spec, means_both_directions_unless_one_is_named) {
  const Spec s = parse_spec("loss=1%,down.delay=10ms,up.rate=100mbit,burst=0.1%/25%,seed=9");
  EXPECT_DOUBLE_EQ(s.up.loss, 0.01);
  EXPECT_DOUBLE_EQ(s.down.loss, 0.01);
  EXPECT_EQ(s.up.delay, 0ms);
  EXPECT_EQ(s.down.delay, 10ms);
  EXPECT_EQ(s.up.rate, 100'000'000u);
  EXPECT_EQ(s.down.rate, 0u);
  EXPECT_DOUBLE_EQ(s.up.burst_begin, 0.001);
  EXPECT_DOUBLE_EQ(s.up.burst_end, 0.25);
  EXPECT_EQ(s.seed, 9u);
}

TEST(Spec, says_what_it_expected) {
  EXPECT_EQ(complaint(""), "");
  EXPECT_NE(complaint("loss=101%").find("a share like 1%"), std::string::npos);
  EXPECT_NE(complaint("delay=10").find("a time like"), std::string::npos);
  EXPECT_NE(complaint("rate=fast").find("a rate like"), std::string::npos);
  EXPECT_NE(complaint("queue=-1").find("a whole number"), std::string::npos);
  EXPECT_NE(complaint("los=1%").find("there are loss"), std::string::npos);
  EXPECT_NE(complaint("up.seed=1").find("there are loss"), std::string::npos);
  EXPECT_NE(complaint("loss").find("KEY=VALUE"), std::string::npos);
}

TEST(Direction, without_impairment_passes_everything_at_once) {
  Direction d({}, 1);
  for (int i = 0; i < 100; ++i) {
    const auto fate = d.decide(kSize, true, Time(1s));
    ASSERT_EQ(fate.copies, 1u);
    EXPECT_EQ(fate.leaves[0], Time(1s));
    EXPECT_FALSE(fate.flip);
  }
}

TEST(Direction, loses_duplicates_and_corrupts_as_often_as_it_was_told) {
  Direction d({.loss = 0.1, .duplicate = 0.05, .corrupt = 0.02}, 1);
  for (int i = 0; i < 100'000; ++i) {
    const auto fate = d.decide(kSize, true, Time(1s));
    if (fate.flip) {
      EXPECT_GE(*fate.flip, 14u * 8);
      EXPECT_LT(*fate.flip, kSize * 8);
    }
  }
  EXPECT_NEAR(static_cast<double>(d.counters().lost), 10'000, 400);
  EXPECT_NEAR(static_cast<double>(d.counters().duplicated), 4'500, 300);
  EXPECT_NEAR(static_cast<double>(d.counters().corrupted), 1'800, 200);
}

TEST(Direction, never_corrupts_what_is_not_ip) {
  Direction d({.corrupt = 1}, 1);
  EXPECT_FALSE(d.decide(60, false, Time(1s)).flip);
  EXPECT_TRUE(d.decide(60, true, Time(1s)).flip);
}

TEST(Direction, loses_in_bursts_as_long_as_the_model_says) {
  Direction d({.burst_begin = 0.01, .burst_end = 0.25}, 1);
  int bursts = 0, lost = 0;
  bool before = false;
  for (int i = 0; i < 200'000; ++i) {
    const bool gone = d.decide(kSize, true, Time(1s)).copies == 0;
    bursts += gone && !before;
    lost += gone;
    before = gone;
  }
  EXPECT_NEAR(static_cast<double>(lost) / bursts, 4, 0.4);
}

TEST(Direction, jitter_keeps_the_order_and_reordering_does_not) {
  Direction jitter({.delay = 10ms, .jitter = 5ms}, 1);
  Time last{};
  for (int i = 0; i < 1000; ++i) {
    const Time now = Time(1s) + i * 100us;
    const Time leaves = jitter.decide(kSize, true, now).leaves[0];
    EXPECT_GE(leaves, std::max(last, now + 10ms));
    EXPECT_LE(leaves, now + 15ms);
    last = leaves;
  }
  Direction reorder({.reorder = 0.05}, 1);
  int late = 0;
  for (int i = 0; i < 10'000; ++i)
    late += reorder.decide(kSize, true, Time(1s)).leaves[0] == Time(1s) + 3ms;
  EXPECT_NEAR(late, 500, 80);
}

TEST(Direction, a_rate_spaces_frames_and_its_queue_is_bounded) {
  Direction d({.rate = 8'000'000, .queue = 10}, 1);  // a byte a microsecond
  std::vector<Time> leaves;
  for (int i = 0; i < 20; ++i) {
    const auto fate = d.decide(1514, true, Time(1s));
    if (fate.copies > 0) leaves.push_back(fate.leaves[0]);
  }
  ASSERT_EQ(leaves.size(), 11u);
  for (size_t i = 0; i < leaves.size(); ++i) EXPECT_EQ(leaves[i], Time(1s) + (i + 1) * 1514us);
  EXPECT_EQ(d.counters().queue_full, 9u);
  EXPECT_EQ(d.decide(1514, true, Time(2s)).leaves[0], Time(2s) + 1514us);
}

TEST(Direction, a_seed_repeats_a_run) {
  const Impairment m{.loss = 0.3, .jitter = 1ms, .duplicate = 0.1};
  Direction a(m, 7), b(m, 7), c(m, 8);
  int differs = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto x = a.decide(kSize, true, Time(1s)), y = b.decide(kSize, true, Time(1s));
    EXPECT_EQ(x.copies, y.copies);
    differs += x.copies != c.decide(kSize, true, Time(1s)).copies;
  }
  EXPECT_GT(differs, 0);
}

}  // namespace
}  // namespace sluice::wire
