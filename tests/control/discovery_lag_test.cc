#include "control/discovery_lag.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

class DiscoveryLagTest : public testing::Test {
 protected:
  static uint64_t count(const stats::Durations& times) {
    uint64_t n = 0;
    for (size_t i = 0; i <= stats::Durations::kBounds; ++i) n += times.bucket(i);
    return n;
  }
  void look(uint64_t adopted, DiscoveryLag::Clock::time_point now) {
    lag.look(adopted, now, wall,
             [this](uint32_t slot, std::chrono::nanoseconds t) { pods[slot] = t; });
  }
  DiscoveryLag lag;
  const DiscoveryLag::Clock::time_point start{1h};
  DiscoveryLag::Wall::time_point wall{100h};
  std::map<uint32_t, std::chrono::nanoseconds> pods;
};

TEST_F(DiscoveryLagTest, it_is_the_time_from_the_first_news_to_the_last_workers_adoption) {
  lag.arrived("a", start);
  lag.arrived("a", start + 2ms);  // comes into the same generation
  lag.published("a", 7, {4, 5}, 0);
  EXPECT_TRUE(lag.waiting());
  look(6, start + 3ms);
  EXPECT_TRUE(pods.empty()) << "a worker has not adopted it";
  look(7, start + 5ms);
  EXPECT_FALSE(lag.waiting());
  EXPECT_EQ(count(lag.times()), 2u) << "one for each pod";
  EXPECT_EQ(pods.at(4), 5ms);
  EXPECT_EQ(pods.at(5), 5ms);
}

TEST_F(DiscoveryLagTest, pods_that_leave_have_one_too) {
  lag.arrived("a", start);
  lag.published("a", 7, {}, 3);
  look(7, start + 1ms);
  EXPECT_EQ(count(lag.times()), 3u);
  EXPECT_TRUE(pods.empty());
}

TEST_F(DiscoveryLagTest, news_that_change_nothing_have_none) {
  lag.arrived("a", start);
  lag.dropped("a");
  lag.arrived("a", start + 1s);
  lag.published("a", 8, {1}, 0);
  look(9, start + 1s + 1ms);
  EXPECT_EQ(lag.times().sum_ns(), 1'000'000u);
}

TEST_F(DiscoveryLagTest, publications_may_overtake_slow_workers) {
  lag.arrived("a", start);
  lag.published("a", 2, {1}, 0);
  lag.arrived("b", start + 1ms);
  lag.published("b", 3, {2}, 0);
  look(3, start + 2ms);
  EXPECT_EQ(pods.at(1), 2ms);
  EXPECT_EQ(pods.at(2), 1ms);
}

TEST_F(DiscoveryLagTest, the_time_since_the_clusters_trigger_counts_once_for_each_trigger) {
  lag.arrived("a", start, {wall - 3s, wall - 1s});
  lag.arrived("a", start, {wall + 1s});  // a clock that is ahead
  lag.published("a", 2, {1, 2}, 0);
  look(2, start + 2ms);
  EXPECT_EQ(count(lag.since_triggers()), 3u);
  EXPECT_EQ(lag.since_triggers().sum_ns(), 4'000'000'000u);
}

}  // namespace
}  // namespace sluice::control
