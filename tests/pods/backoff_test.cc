#include "pods/backoff.h"

#include <gtest/gtest.h>

namespace sluice::pods {
namespace {

TEST(Backoff, grows_by_1_6_from_one_second_to_ten_with_a_fifth_of_jitter) {
  Random random(1);
  for (int run = 0; run < 100; ++run) {
    Backoff backoff;
    double expected = 1.0;
    for (int i = 0; i < 12; ++i) {
      const double got = std::chrono::duration<double>(backoff.next(random)).count();
      EXPECT_GE(got, expected * 0.8 - 1e-6);
      EXPECT_LE(got, expected * 1.2 + 1e-6);
      expected = std::min(10.0, expected * 1.6);
    }
  }
}

TEST(Backoff, jitters) {
  Random random(2);
  Backoff a, b;
  EXPECT_NE(a.next(random), b.next(random));
}

TEST(Backoff, begins_again_after_a_success) {
  Random random(3);
  Backoff backoff;
  for (int i = 0; i < 10; ++i) backoff.next(random);
  backoff.reset();
  EXPECT_LE(backoff.next(random), 1200ms);
}

}  // namespace
}  // namespace sluice::pods
