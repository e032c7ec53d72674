#include "control/discovery_lag.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

class DiscoveryLagTest : public testing::Test {
 protected:
  uint64_t count() const {
    uint64_t n = 0;
    for (size_t i = 0; i <= stats::Durations::kBounds; ++i) n += lag.times().bucket(i);
    return n;
  }
  DiscoveryLag lag;
  const DiscoveryLag::Clock::time_point start{1h};
};

TEST_F(DiscoveryLagTest, it_is_the_time_from_the_first_news_to_the_last_workers_adoption) {
  lag.arrived(start);
  lag.arrived(start + 2ms);  // comes into the same generation
  lag.published(7);
  EXPECT_TRUE(lag.waiting());
  lag.look(6, start + 3ms);
  EXPECT_EQ(count(), 0u) << "a worker has not adopted it";
  lag.look(7, start + 5ms);
  EXPECT_FALSE(lag.waiting());
  EXPECT_EQ(count(), 1u);
  EXPECT_EQ(lag.times().sum_ns(), 5'000'000u);
}

TEST_F(DiscoveryLagTest, news_that_change_nothing_have_none) {
  lag.arrived(start);
  lag.published(std::nullopt);
  lag.arrived(start + 1s);
  lag.published(8);
  lag.look(9, start + 1s + 1ms);
  EXPECT_EQ(lag.times().sum_ns(), 1'000'000u);
}

TEST_F(DiscoveryLagTest, publications_may_overtake_slow_workers) {
  lag.arrived(start);
  lag.published(2);
  lag.arrived(start + 1ms);
  lag.published(3);
  lag.look(3, start + 2ms);
  EXPECT_EQ(count(), 2u);
  EXPECT_EQ(lag.times().sum_ns(), 3'000'000u);
}

}  // namespace
}  // namespace sluice::control
