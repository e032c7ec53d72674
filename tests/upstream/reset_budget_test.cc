#include "upstream/reset_budget.h"

#include <gtest/gtest.h>

namespace sluice::upstream {
namespace {

constexpr Time kStart{std::chrono::hours(1)};

int take_all(ResetBudget& budget, const ResetRate& rate, Time now) {
  int taken = 0;
  while (taken < 1'000 && budget.take(rate, now)) ++taken;
  return taken;
}

TEST(ResetBudget, gives_a_burst_at_once_and_then_as_many_as_time_refills) {
  const ResetRate rate = ResetRate::of({.burst = 100, .per_second = 3});
  ResetBudget budget;
  EXPECT_EQ(take_all(budget, rate, kStart), 100);
  EXPECT_EQ(take_all(budget, rate, kStart + 330ms), 0);
  EXPECT_EQ(take_all(budget, rate, kStart + 334ms), 1);
  EXPECT_EQ(take_all(budget, rate, kStart + 30s), 89) << "three a second, less the one";
}

TEST(ResetBudget, never_refills_beyond_the_burst) {
  const ResetRate rate = ResetRate::of({.burst = 10, .per_second = 100});
  ResetBudget budget;
  EXPECT_EQ(take_all(budget, rate, kStart), 10);
  EXPECT_EQ(take_all(budget, rate, kStart + 24h), 10);
}

TEST(ResetBudget, says_when_the_next_reset_may_leave_and_how_many_are_not_refilled) {
  const ResetRate rate = ResetRate::of({.burst = 4, .per_second = 2});
  ResetBudget budget;
  EXPECT_TRUE(budget.left(rate, kStart));
  EXPECT_EQ(budget.spent(rate, kStart), 0);
  EXPECT_EQ(take_all(budget, rate, kStart), 4);
  EXPECT_FALSE(budget.left(rate, kStart));
  EXPECT_EQ(budget.next(rate), kStart + 500ms);
  EXPECT_EQ(budget.spent(rate, kStart), 4);
  EXPECT_EQ(budget.spent(rate, kStart + 1s), 2);
  EXPECT_EQ(budget.spent(rate, kStart + 5s), 0);
}

TEST(ResetBudget, of_a_burst_of_0_refuses_nothing) {
  const ResetRate none = ResetRate::of({.burst = 0, .per_second = 0});
  ResetBudget budget;
  EXPECT_EQ(take_all(budget, none, kStart), 1'000);
}

TEST(ResetBudget, a_rate_that_a_reload_changed_counts_at_once) {
  ResetBudget budget;
  EXPECT_EQ(take_all(budget, ResetRate::of({.burst = 10, .per_second = 1}), kStart), 10);
  EXPECT_EQ(take_all(budget, ResetRate::of({.burst = 20, .per_second = 1}), kStart), 10);
}

TEST(ResetRate, a_part_has_its_part_of_the_burst_rounded_up_and_of_the_rate) {
  const ResetRate fifth = ResetRate::of({.burst = 101, .per_second = 10}, 5);
  EXPECT_EQ(fifth.burst, 21u);
  EXPECT_EQ(fifth.each, 500ms);
}

}  // namespace
}  // namespace sluice::upstream
