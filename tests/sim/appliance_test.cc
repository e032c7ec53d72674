// The whole appliance from a seed: the production loop between clients and pods that misbehave.
// Every call ends once, with the truth. A failing seed prints the command that replays it:
//   SLUICE_SEED=n sim_test

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "world.h"

namespace sluice::sim {
namespace {

// About half a minute of one core.
#ifdef SLUICE_ASAN
constexpr uint64_t kSeeds = 150;
#else
constexpr uint64_t kSeeds = 2'000;
#endif

class Appliance : public testing::Test {
 protected:
  void run(uint64_t seed) {
    const uint32_t free = inside_.rx.available() + inside_.hold.available() +
                          outside_.rx.available() + outside_.hold.available();
    {
      World world(seed, inside_, outside_);
      world.run();
      for (const std::string& v : world.violations()) ADD_FAILURE() << "seed " << seed << ": " << v;
      calls_ += world.count([](const Call&) { return true; });
      ok_ += world.count([](const Call& c) { return c.ok(); });
      retries_ += world.counters().relay.retries.get();
      by_policy_ += world.counters().relay.policy_retries.get();
      isolated_ += world.counters().relay.isolated_clients.get();
      held_back_ += world.counters().relay.throttled_streams.get();
      pings_ += world.counters().relay.pod_pings.get();
    }
    EXPECT_EQ(inside_.rx.available() + inside_.hold.available() + outside_.rx.available() +
                  outside_.hold.available(),
              free)
        << "seed " << seed << " leaks buffers";
    if (HasFailure()) ADD_FAILURE() << "replay it: SLUICE_SEED=" << seed << " sim_test";
  }

  http2::Buffers inside_{8191, "inside"};
  http2::Buffers outside_{16383, "outside"};
  size_t calls_ = 0, ok_ = 0, retries_ = 0, by_policy_ = 0;
  size_t isolated_ = 0, held_back_ = 0, pings_ = 0;
};

TEST_F(Appliance, every_call_ends_once_and_truthfully) {
  if (const char* seed = std::getenv("SLUICE_SEED")) {
    run(std::strtoull(seed, nullptr, 10));
    return;
  }
  for (uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) run(seed);
  // That the dice fall on all sides.
  EXPECT_GT(ok_, calls_ / 3);
  EXPECT_LT(ok_, calls_);
  EXPECT_GT(retries_, kSeeds);
  EXPECT_GT(by_policy_, kSeeds / 10);
  EXPECT_GT(isolated_, kSeeds / 100);
  EXPECT_GT(held_back_, kSeeds / 100);
  EXPECT_GT(pings_, kSeeds);
  std::printf("%zu calls, %zu succeeded, %zu sent again, %zu by policy, %zu waited for isolation\n",
              calls_, ok_, retries_, by_policy_, held_back_);
}

}  // namespace
}  // namespace sluice::sim
