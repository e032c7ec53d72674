// Limits that all workers of a process share: never exceeded, and nothing is refused while more
// than 5 % is free.

#include "base/lease.h"

#include <gtest/gtest.h>

#include <deque>
#include <thread>
#include <vector>

#include "base/byte_lease.h"
#include "base/random.h"
#include "base/shared_counts.h"

namespace sluice {
namespace {

TEST(Lease, a_worker_alone_has_the_whole_limit) {
  Lease lease(nullptr, 1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(lease.take(3));
  EXPECT_FALSE(lease.take(3));
  lease.give(3);
  EXPECT_TRUE(lease.take(3));
  EXPECT_TRUE(lease.take(4));
  EXPECT_FALSE(lease.take(4));
}

TEST(Lease, whatever_workers_take_and_give_the_limit_holds_and_at_most_5_percent_stay_idle) {
  constexpr uint32_t kWorkers = 8;
  for (const uint32_t limit : {1u, 7u, 15u, 16u, 100u, 159u, 160u, 1'024u, 100'000u}) {
    SharedLimit shared;
    std::deque<Lease> leases;
    for (uint32_t w = 0; w < kWorkers; ++w) leases.emplace_back(&shared, kWorkers);
    Random random(limit);
    uint32_t used = 0;
    for (int i = 0; i < 200'000; ++i) {
      Lease& lease = leases[random.below(kWorkers)];
      // Sometimes more is taken than given, sometimes less.
      if (random.below(100) < (i / 20'000 % 2 == 0 ? 60u : 40u)) {
        if (lease.take(limit)) {
          ASSERT_LE(++used, limit);
        } else {
          ASSERT_LE(limit - used, limit / 20) << "refused with this many free of " << limit;
        }
      } else if (lease.used() > 0) {
        lease.give(limit);
        --used;
      }
      ASSERT_LE(shared.leased(), limit);
    }
  }
}

TEST(Lease, a_limit_below_twice_the_workers_is_exact) {
  SharedLimit shared;
  std::deque<Lease> leases;
  for (int w = 0; w < 8; ++w) leases.emplace_back(&shared, 8);
  for (uint32_t i = 0; i < 15; ++i) EXPECT_TRUE(leases[i % 8].take(15));
  for (Lease& lease : leases) EXPECT_FALSE(lease.take(15));
  leases[3].give(15);
  EXPECT_TRUE(leases[5].take(15));
  EXPECT_FALSE(leases[3].take(15));
}

TEST(Lease, a_worker_gives_idle_shares_back) {
  SharedLimit shared;
  Lease busy(&shared, 2);
  for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(busy.take(1'000));
  for (int i = 0; i < 1'000; ++i) busy.give(1'000);
  EXPECT_LE(shared.leased(), 25u);
}

TEST(Lease, a_worker_that_ends_leaves_nothing_leased) {
  SharedLimit shared;
  {
    Lease lease(&shared, 2);
    for (int i = 0; i < 7; ++i) ASSERT_TRUE(lease.take(1'000));
  }
  EXPECT_EQ(shared.leased(), 0u);
}

TEST(Lease, a_limit_that_a_reload_lowers_refuses_until_enough_is_given) {
  SharedLimit shared;
  Lease a(&shared, 2), b(&shared, 2);
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(a.take(1'000));
  EXPECT_FALSE(a.take(200));
  EXPECT_FALSE(b.take(200));
  while (!b.take(200)) {
    ASSERT_GE(a.used(), 190u) << "refused with more than 5 % free";
    a.give(200);
  }
  EXPECT_LE(a.used() + b.used(), 200u);
}

TEST(Lease, idle_shares_do_not_outlast_a_reload_that_lowers_the_limit) {
  SharedLimit shared;
  Lease idle(&shared, 2), busy(&shared, 2);
  EXPECT_TRUE(idle.take(1'000'000));
  idle.give(1'000'000);
  ASSERT_GT(shared.leased(), 100u);
  idle.settle(100);
  uint32_t taken = 0;
  while (busy.take(100)) ++taken;
  EXPECT_GE(taken, 95u);
}

TEST(ByteLease, at_most_5_percent_of_the_limit_are_idle_whatever_workers_charge) {
  constexpr uint32_t kWorkers = 8;
  for (const uint64_t limit : {1'000ul, 1ul << 20, 128ul << 20, 1ul << 40}) {
    SharedBytes shared;
    std::deque<ByteLease> leases;
    for (uint32_t w = 0; w < kWorkers; ++w) leases.emplace_back(shared, kWorkers);
    Random random(limit);
    uint64_t used = 0;
    for (int i = 0; i < 100'000; ++i) {
      ByteLease& lease = leases[random.below(kWorkers)];
      const bool more = random.below(100) < (i / 10'000 % 2 == 0 ? 60u : 40u);
      const uint64_t bytes = more ? limit / 100 : std::min(lease.used(), limit / 90);
      if (more && bytes > lease.left(limit)) continue;
      lease.charge(more ? bytes : -bytes, limit);
      used += more ? bytes : -bytes;
      ASSERT_LE(used, limit);
      ASSERT_GE(shared.leased(), used);
      ASSERT_LE(shared.leased() - used, limit / 20);
      ASSERT_LE(lease.left(limit), limit - used);
      ASSERT_GE(lease.left(limit) + limit / 20, limit - used);
    }
  }
}

TEST(ByteLease, a_charge_beyond_the_limit_leaves_nothing_for_anybody) {
  SharedBytes shared;
  ByteLease a(shared, 2), b(shared, 2);
  a.charge(2'000, 1'000);
  EXPECT_EQ(a.left(1'000), 0u);
  EXPECT_EQ(b.left(1'000), 0u);
  EXPECT_TRUE(a.has_share_of(1'000));
  EXPECT_FALSE(b.has_share_of(1'000));
  a.charge(-uint64_t{2'000}, 1'000);
  EXPECT_GE(b.left(1'000), 950u);
}

TEST(ByteLease, a_worker_that_ends_leaves_nothing_charged) {
  SharedBytes shared;
  { ByteLease(shared, 2).charge(5'000, 100'000); }
  EXPECT_EQ(shared.leased(), 0u);
}

TEST(ByteLease, idle_bytes_do_not_outlast_a_reload_that_lowers_the_limit) {
  SharedBytes shared;
  ByteLease idle(shared, 2), busy(shared, 2);
  idle.charge(1, 1 << 30);
  EXPECT_EQ(busy.left(1 << 20), 0u);
  idle.settle(1 << 20);
  EXPECT_GE(busy.left(1 << 20), (uint64_t{1} << 20) / 20 * 19);
}

TEST(Lease, threads_never_exceed_the_limit_together) {
  constexpr uint32_t kLimit = 100;
  SharedLimit shared;
  std::atomic<uint32_t> used{0}, most{0};
  std::vector<std::thread> threads;
  for (uint32_t w = 0; w < 4; ++w)
    threads.emplace_back([&, w] {
      Lease lease(&shared, 4);
      Random random(w);
      for (int i = 0; i < 50'000; ++i) {
        if (random.below(2) == 0 && lease.take(kLimit)) {
          const uint32_t now = ++used;
          uint32_t before = most;
          while (before < now && !most.compare_exchange_weak(before, now)) {
          }
        } else if (lease.used() > 0) {
          --used;
          lease.give(kLimit);
        }
      }
      used -= lease.used();
    });
  for (std::thread& t : threads) t.join();
  EXPECT_LE(most.load(), kLimit);
  EXPECT_EQ(shared.leased(), 0u);
}

TEST(SharedCounts, counts_each_key_up_to_its_limit) {
  SharedCounts counts(1'000);
  const uint64_t a = 0x123456789abcdef0, b = 0xfedcba9876543210;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(counts.add(a, 3));
  EXPECT_FALSE(counts.add(a, 3));
  EXPECT_TRUE(counts.add(b, 3));
  EXPECT_TRUE(counts.add(a, 0));  // no limit
  EXPECT_EQ(counts.count(a), 4u);
  counts.remove(a);
  EXPECT_FALSE(counts.add(a, 3));
  counts.remove(a);
  EXPECT_TRUE(counts.add(a, 3));
  EXPECT_EQ(counts.count(b), 1u);
}

TEST(SharedCounts, has_a_place_for_every_key_when_all_differ) {
  constexpr size_t kMost = 100'000;
  SharedCounts counts(kMost);
  Random random(5);
  std::vector<uint64_t> keys;
  for (int round = 0; round < 3; ++round) {
    while (keys.size() < kMost) {
      keys.push_back(random.next());
      ASSERT_TRUE(counts.add(keys.back(), 1));
    }
    while (keys.size() > kMost / 3) {
      counts.remove(keys.back());
      keys.pop_back();
    }
  }
}

TEST(SharedCounts, threads_never_exceed_a_keys_limit_and_leave_nothing_behind) {
  constexpr uint32_t kLimit = 5;
  SharedCounts counts(64);
  // Keys that share a region, so that words change their keys all the time.
  std::vector<uint64_t> keys;
  for (uint64_t i = 1; i <= 40; ++i) keys.push_back(i << 40);
  std::vector<std::atomic<uint32_t>> now(keys.size());
  std::atomic<bool> exceeded{false};
  std::vector<std::thread> threads;
  for (uint32_t w = 0; w < 4; ++w)
    threads.emplace_back([&, w] {
      Random random(w);
      std::vector<size_t> mine;
      for (int i = 0; i < 30'000; ++i) {
        if (mine.size() < 7 && random.below(2) == 0) {
          const size_t k = random.below(keys.size());
          if (!counts.add(keys[k], kLimit)) continue;
          if (++now[k] > kLimit) exceeded = true;
          mine.push_back(k);
        } else if (!mine.empty()) {
          --now[mine.back()];
          counts.remove(keys[mine.back()]);
          mine.pop_back();
        }
      }
      for (const size_t k : mine) counts.remove(keys[k]);
    });
  for (std::thread& t : threads) t.join();
  EXPECT_FALSE(exceeded);
  for (const uint64_t key : keys) EXPECT_EQ(counts.count(key), 0u);
}

}  // namespace
}  // namespace sluice
