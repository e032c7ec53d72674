// Limits of services that all workers of a process share.

#include "relay/process.h"

#include <gtest/gtest.h>

#include <deque>

namespace sluice::relay {
namespace {

constexpr uint32_t kWorkers = 4;

// The budgets of one service in each of the workers.
class ProcessRetryBudget : public testing::Test {
 protected:
  void workers(uint32_t percent, uint32_t per_second) {
    for (uint32_t w = 0; w < kWorkers; ++w)
      budgets.emplace_back(percent, per_second, process.service(3).retries, kWorkers);
  }
  // Retries that the worker gets now.
  int spend(uint32_t worker) {
    int n = 0;
    while (budgets[worker].take(now)) ++n;
    return n;
  }

  Time now{1h};
  Process process{kWorkers};
  std::deque<RetryBudget> budgets;
};

TEST_F(ProcessRetryBudget, one_worker_may_spend_what_the_calls_of_all_have_earned) {
  workers(20, 0);
  for (int call = 0; call < 4'000; ++call) budgets[static_cast<uint32_t>(call) % 4].earn();
  const int got = spend(1);  // of 800
  EXPECT_LE(got, 800);
  EXPECT_GE(got, 750);  // 5 % of the most that is saved lie with the others
  EXPECT_LE(spend(0) + spend(2) + spend(3), 800 - got);
}

TEST_F(ProcessRetryBudget, no_more_is_saved_than_one_worker_alone_would_save) {
  workers(100, 0);
  for (int call = 0; call < 100'000; ++call) budgets[static_cast<uint32_t>(call) % 4].earn();
  EXPECT_LE(spend(0) + spend(1) + spend(2) + spend(3), 1'000);
  for (int call = 0; call < 100'000; ++call) budgets[2].earn();
  EXPECT_GE(spend(0), 950);
}

TEST_F(ProcessRetryBudget, the_retries_of_each_second_are_those_of_all_workers) {
  workers(0, 10);
  EXPECT_EQ(spend(0) + spend(1) + spend(2) + spend(3), 10);
  now += 500ms;
  EXPECT_EQ(spend(3) + spend(0), 5);
  now += 1h;
  EXPECT_EQ(spend(2), 10);
  EXPECT_EQ(spend(0), 0);
}

TEST_F(ProcessRetryBudget, the_next_service_of_a_slot_inherits_no_savings) {
  workers(100, 0);
  for (int call = 0; call < 1'000; ++call) budgets[0].earn();
  budgets.clear();
  workers(100, 0);
  EXPECT_EQ(spend(0), 0);
}

}  // namespace
}  // namespace sluice::relay
