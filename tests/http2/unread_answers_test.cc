#include "http2/unread_answers.h"

#include <gtest/gtest.h>

namespace sluice::http2 {
namespace {

constexpr uint32_t kBudget = 100;

TEST(UnreadAnswers, the_budget_ends_with_bytes_that_the_peer_has_not_acknowledged) {
  UnreadAnswers answers;
  uint64_t end = 0;
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(answers.add(10, 0, kBudget));
    answers.appended(end += 10);
  }
  EXPECT_FALSE(answers.add(1, 0, kBudget));
}

TEST(UnreadAnswers, an_answer_that_was_acknowledged_whole_counts_no_more) {
  UnreadAnswers answers;
  EXPECT_TRUE(answers.add(kBudget, 0, kBudget));
  answers.appended(kBudget);
  EXPECT_TRUE(answers.add(kBudget, kBudget, kBudget));
}

TEST(UnreadAnswers, an_answer_of_which_a_byte_is_missing_counts_whole) {
  UnreadAnswers answers;
  EXPECT_TRUE(answers.add(kBudget, 0, kBudget));
  answers.appended(kBudget);
  EXPECT_FALSE(answers.add(1, kBudget - 1, kBudget));
}

TEST(UnreadAnswers, on_an_output_that_never_runs_dry_older_answers_leave_while_newer_ones_wait) {
  UnreadAnswers answers;
  uint64_t end = 0;
  for (int i = 0; i < 1'000; ++i) {
    const uint64_t acknowledged = end < 30 ? 0 : end - 30;
    ASSERT_TRUE(answers.add(10, acknowledged, kBudget)) << i;
    answers.appended(end += 10);
  }
}

TEST(UnreadAnswers, data_between_answers_does_not_count) {
  UnreadAnswers answers;
  EXPECT_TRUE(answers.add(10, 0, kBudget));
  answers.appended(1'000'000);
  EXPECT_TRUE(answers.add(kBudget - 10, 0, kBudget));
}

}  // namespace
}  // namespace sluice::http2
