// Lives from random bytes; the same machine that the fuzzer drives with better ones.

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/random.h"
#include "fuzz_machine.h"

namespace sluice::test {
namespace {

TEST(Garbage, any_bytes_make_a_life_that_ends_with_every_buffer_back) {
  rte_mempool* rx = buf::make_pool("garbage_rx", 1023, 2048 + 128, -1);
  rte_mempool* hold = buf::make_pool("garbage_hold", 1023, 2048 + 128, -1);
  const unsigned rx_free = rte_mempool_avail_count(rx);
  const unsigned hold_free = rte_mempool_avail_count(hold);
  uint64_t seeds = 3000;
  if (const char* n = std::getenv("SLUICE_SEEDS")) seeds = std::strtoull(n, nullptr, 10);
  uint64_t accepted = 0;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    Random r(seed);
    std::vector<uint8_t> bytes(r.below(600));
    for (auto& b : bytes) b = static_cast<uint8_t>(r.next());
    {
      FuzzMachine life(rx, hold);
      life.run(bytes);
      accepted += life.counters().accepted.get();
    }
    ASSERT_EQ(rte_mempool_avail_count(rx), rx_free) << "seed " << seed;
    ASSERT_EQ(rte_mempool_avail_count(hold), hold_free) << "seed " << seed;
  }
  EXPECT_GE(accepted, seeds / 10) << "hardly any life got beyond its handshake";
}

}  // namespace
}  // namespace sluice::test
