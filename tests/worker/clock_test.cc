#include "worker/clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace sluice::worker {
namespace {

using namespace std::chrono_literals;

TEST(TscClock, a_second_of_cycles_is_a_second) {
  for (const uint64_t hz : {1'000'000'000ull, 2'600'000'000ull, 3'187'200'000ull}) {
    const TscClock clock(hz);
    const Duration error = clock.at(hz * 3600) - Time{} - 3600s;
    EXPECT_LT(error, 2us) << hz;
    EXPECT_GT(error, -2us) << hz;
  }
}

TEST(TscClock, ten_years_of_uptime_do_not_overflow) {
  const uint64_t hz = 5'000'000'000;
  const TscClock clock(hz);
  const uint64_t ten_years = hz * 86'400 * 3'650;
  EXPECT_GT(clock.at(ten_years) - Time{}, 24h * 3'649);
  EXPECT_LT(clock.at(ten_years) - Time{}, 24h * 3'651);
}

TEST(TscClock, agrees_with_the_kernel_within_two_percent) {
  const TscClock clock(nic::tsc_hz());
  const auto kernel_before = std::chrono::steady_clock::now();
  const Time before = clock.at(clock.cycles());
  std::this_thread::sleep_for(100ms);
  const Time after = clock.at(clock.cycles());
  const auto kernel = std::chrono::steady_clock::now() - kernel_before;
  EXPECT_LE(after - before, kernel + kernel / 50);
  EXPECT_GE(after - before, 98ms);
}

}  // namespace
}  // namespace sluice::worker
