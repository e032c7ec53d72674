#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <set>

#include "base/byte_order.h"
#include "base/hash.h"
#include "base/histogram.h"
#include "base/list.h"
#include "base/random.h"
#include "base/slab.h"
#include "base/token_bucket.h"

namespace sluice {
namespace {

TEST(ByteOrder, loads_what_was_stored_at_any_alignment) {
  std::array<uint8_t, 16> b{};
  store_be16(b.data() + 1, 0x0102);
  store_be24(b.data() + 3, 0x030405);
  store_be32(b.data() + 7, 0x0a0b0c0d);
  EXPECT_EQ(b[1], 1);
  EXPECT_EQ(load_be16(b.data() + 1), 0x0102);
  EXPECT_EQ(load_be24(b.data() + 3), 0x030405u);
  EXPECT_EQ(load_be32(b.data() + 7), 0x0a0b0c0du);
}

TEST(SipHash, matches_the_vectors_of_the_paper) {
  const SipKey key{0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
  std::array<uint8_t, 15> in;
  std::iota(in.begin(), in.end(), 0);
  EXPECT_EQ(siphash(key, in), 0xa129ca6149be45e5ULL);
  EXPECT_EQ(siphash(key, std::span<const uint8_t>{}), 0x726fdb47dd0e0e31ULL);
}

// Python 3.11 hashes so, with a key of zeros: PYTHONHASHSEED=0.
TEST(SipHash, matches_another_implementation_with_one_and_three_rounds) {
  std::array<uint8_t, 36> in;
  std::iota(in.begin(), in.end(), 0);
  const std::span<const uint8_t> all(in);
  EXPECT_EQ(table_hash({}, all.first(7)), 0x2f098ab0c751325aULL);
  EXPECT_EQ(table_hash({}, all.first(8)), 0xead411e67ebe2eeaULL);
  EXPECT_EQ(table_hash({}, all.first<12>()), 0xa6baf4fb0f9fe1c2ULL);
  EXPECT_EQ(table_hash({}, all), 0xac77921fcc642bd3ULL);
}

struct Item : ListHook<> {
  int n = 0;
};

TEST(List, elements_leave_without_knowing_their_list) {
  Item a, b, c;
  a.n = 1, b.n = 2, c.n = 3;
  List<Item> list;
  list.push_back(a);
  list.push_back(b);
  list.push_back(c);
  b.unlink();
  EXPECT_FALSE(b.linked());
  int sum = 0;
  for (Item& i : list) {
    sum += i.n;
    i.unlink();
  }
  EXPECT_EQ(sum, 4);
  EXPECT_TRUE(list.empty());
}

TEST(Slab, refuses_at_its_limit_and_recycles) {
  Slab<Item> slab(3, 2);
  Item* a = slab.create();
  Item* b = slab.create();
  Item* c = slab.create();
  EXPECT_EQ(slab.create(), nullptr);
  slab.destroy(b);
  EXPECT_EQ(slab.create(), b);
  slab.destroy(a);
  slab.destroy(b);
  slab.destroy(c);
  EXPECT_EQ(slab.live(), 0u);
}

TEST(Slab, gives_out_every_cell_of_growing_blocks_once) {
  struct Large {
    std::array<uint64_t, 512> words{};
  };
  Slab<Large> slab;
  std::set<Large*> all;
  for (int i = 0; i < 2000; ++i) {  // 8 MiB: past the first block on huge pages
    Large* l = slab.create();
    ASSERT_TRUE(all.insert(l).second);
    l->words.front() = l->words.back() = reinterpret_cast<uintptr_t>(l);
  }
  for (Large* l : all) {
    EXPECT_EQ(l->words.front(), reinterpret_cast<uintptr_t>(l));
    EXPECT_EQ(l->words.back(), reinterpret_cast<uintptr_t>(l));
    slab.destroy(l);
  }
}

TEST(TokenBucket, allows_the_burst_then_the_rate) {
  TokenBucket bucket(10, 3);
  Time now{1s};
  EXPECT_TRUE(bucket.take(now));
  EXPECT_TRUE(bucket.take(now));
  EXPECT_TRUE(bucket.take(now));
  EXPECT_FALSE(bucket.take(now));
  now += 100ms;
  EXPECT_TRUE(bucket.take(now));
  EXPECT_FALSE(bucket.take(now));
  int taken = 0;
  for (int i = 0; i < 1000; ++i) taken += bucket.take(now += 10ms);
  EXPECT_NEAR(taken, 100, 3);
}

TEST(Histogram, quantiles_are_within_a_sixteenth) {
  Histogram h;
  for (int us = 1; us <= 100'000; ++us) h.record(std::chrono::microseconds(us));
  HistogramSum sum;
  sum.add(h);
  EXPECT_EQ(sum.count(), 100'000u);
  for (double q : {0.5, 0.9, 0.99, 0.999}) {
    const double got = std::chrono::duration<double, std::micro>(sum.quantile(q)).count();
    EXPECT_NEAR(got, q * 100'000, q * 100'000 / 15) << q;
  }
}

TEST(Histogram, a_bucket_begins_where_the_one_before_it_ends) {
  for (size_t i = 0; i + 1 < Histogram::kBuckets; ++i) {
    Histogram h;
    h.record(Histogram::upper(i) - 1ns);
    EXPECT_EQ(h.bucket(i), 1u) << i;
    h.record(Histogram::upper(i));
    EXPECT_EQ(h.bucket(i + 1), 1u) << i;
  }
}

TEST(Random, the_same_seed_gives_the_same_run) {
  Random a(7), b(7), c(8);
  EXPECT_EQ(a.next(), b.next());
  EXPECT_NE(a.next(), c.next());
  for (int i = 0; i < 1000; ++i) EXPECT_LT(a.below(13), 13u);
}

}  // namespace
}  // namespace sluice
