// Rates that all workers of a process share: never exceeded in any time, and nothing is refused
// while more than 5 % is left.

#include "base/shared_rate.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <deque>
#include <thread>
#include <vector>

#include "base/random.h"

namespace sluice {
namespace {

constexpr uint32_t kWorkers = 4;

class Rates : public testing::Test {
 protected:
  bool take(uint32_t worker, uint32_t rate) {
    return leases[worker].take(shared, rate, kWorkers, now);
  }
  // How many the worker gets now.
  uint32_t drain(uint32_t worker, uint32_t rate) {
    uint32_t n = 0;
    while (take(worker, rate)) ++n;
    return n;
  }

  Time now{1h};
  SharedRate shared;
  std::array<RateLease, kWorkers> leases;
};

TEST_F(Rates, of_0_limit_nothing) {
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(take(1, 0));
}

TEST_F(Rates, below_40_times_the_workers_are_exact) {
  for (uint32_t rate = 1; rate < 40 * kWorkers; ++rate) {
    now += 2s;
    EXPECT_EQ(drain(rate % kWorkers, rate), rate);
    now += 500ms;
    uint32_t again = 0;
    for (uint32_t w = 0; w < kWorkers; ++w) again += drain(w, rate);
    EXPECT_EQ(again, rate / 2) << rate;
  }
}

TEST_F(Rates, give_one_worker_all_but_5_percent_while_the_others_do_nothing) {
  constexpr uint32_t kRate = 10'000;
  for (uint32_t w = 0; w < kWorkers; ++w) EXPECT_TRUE(take(w, kRate));
  EXPECT_GE(drain(2, kRate), kRate * 95 / 100 - kWorkers);
}

TEST_F(Rates, are_exceeded_in_no_second_whoever_takes) {
  for (const uint32_t rate : {3u, 159u, 160u, 1'000u, 30'000u}) {
    Random random(rate);
    now += 2s;
    std::deque<Time> taken;
    uint64_t most = 0, refused = 0;
    for (int i = 0; i < 100'000; ++i) {
      now += Duration(static_cast<int64_t>(random.below(2'000'000'000 / (rate * kWorkers))));
      while (!taken.empty() && now - taken.front() >= 1s) taken.pop_front();
      for (uint32_t w = 0; w < kWorkers; ++w) {
        if (!take(w, rate)) {
          ++refused;
        } else {
          taken.push_back(now);
        }
      }
      most = std::max<uint64_t>(most, taken.size());
    }
    // A second's tokens that were saved, and those of the second.
    EXPECT_LE(most, 2 * uint64_t{rate} + 1) << rate;
    EXPECT_GT(refused, 0u) << rate;
  }
}

TEST_F(Rates, that_a_reload_lowers_hold_at_once) {
  for (uint32_t w = 0; w < kWorkers; ++w) EXPECT_TRUE(take(w, 100'000));
  now += 1s;
  uint32_t all = 0;
  for (uint32_t w = 0; w < kWorkers; ++w) all += drain(w, 10);
  EXPECT_LE(all, 10u);
}

TEST_F(Rates, hold_for_threads_that_take_at_the_same_time) {
  constexpr uint32_t kRate = 50'000;
  std::atomic<uint32_t> all{0};
  std::vector<std::thread> threads;
  for (uint32_t w = 0; w < kWorkers; ++w) threads.emplace_back([&, w] { all += drain(w, kRate); });
  for (std::thread& t : threads) t.join();
  EXPECT_LE(all, kRate);
  EXPECT_GE(all, kRate * 95 / 100);
}

}  // namespace
}  // namespace sluice
