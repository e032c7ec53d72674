// The table, with entries that are whole flows; tests/tcp has such that point to them.

#include "flow/table.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <vector>

#include "base/random.h"

namespace sluice::flow {
namespace {

constexpr SipKey kTableSecret{1, 2};

// A flow that lives in its slot.
struct Whole {
  Key key;
  uint32_t key_hash = 0;
  uint32_t packets = 0;
  bool used = false;

  bool empty() const { return !used; }
  uint32_t hash() const { return key_hash; }
  bool belongs_to(const Key& k) const { return key == k; }
};

Key numbered(uint32_t n, uint8_t protocol = 17) {
  return {{Address::v4(n >> 8), static_cast<uint16_t>(n)}, {Address::v4(1), 53}, protocol};
}

Whole whole(const Table<Whole>& table, const Key& k, uint32_t packets = 0) {
  return {k, table.hash(k), packets, true};
}

TEST(Table, finds_what_was_inserted_and_nothing_that_was_erased) {
  Random random(3);
  Table<Whole> table(500, kTableSecret);
  std::map<uint32_t, uint32_t> model;  // by n of numbered(n)
  for (uint32_t step = 0; step < 20'000; ++step) {
    const auto n = static_cast<uint32_t>(random.below(1000));
    Whole* found = table.find(numbered(n));
    ASSERT_EQ(found != nullptr, model.contains(n)) << step;
    if (found != nullptr) {
      EXPECT_EQ(found->packets, model[n]);
      table.erase(*found);
      model.erase(n);
    } else if (!table.full()) {
      table.insert(whole(table, numbered(n), step));
      model[n] = step;
    }
    ASSERT_EQ(table.size(), model.size());
  }
  size_t seen = 0;
  table.for_each([&](const Whole& w) { seen += model.contains(w.key.remote.port); });
  EXPECT_EQ(seen, model.size());
}

TEST(Table, keeps_the_protocols_of_one_four_tuple_apart) {
  Table<Whole> table(10, kTableSecret);
  table.insert(whole(table, numbered(7, 17), 17));
  EXPECT_EQ(table.find(numbered(7, 6)), nullptr);
  table.insert(whole(table, numbered(7, 6), 6));
  EXPECT_EQ(table.find(numbered(7, 17))->packets, 17u);
  EXPECT_EQ(table.find(numbered(7, 6))->packets, 6u);
}

TEST(Table, is_full_at_its_capacity) {
  Table<Whole> table(3, kTableSecret);
  for (uint32_t n = 0; n < 3; ++n) {
    EXPECT_FALSE(table.full());
    table.insert(whole(table, numbered(n)));
  }
  EXPECT_TRUE(table.full());
}

TEST(Table, a_burst_finds_what_one_lookup_after_another_finds) {
  Random random(4);
  Table<Whole> table(100, kTableSecret);
  for (uint32_t n = 0; n < 100; ++n) table.insert(whole(table, numbered(n), n));
  std::array<Lookup, 32> burst;
  for (int round = 0; round < 100; ++round) {
    for (size_t i = 0; i < burst.size(); ++i) {
      // Packets of one flow come together.
      burst[i].key =
          i % 3 == 1 ? burst[i - 1].key : numbered(static_cast<uint32_t>(random.below(200)));
      table.begin(burst[i], i > 0 ? &burst[i - 1] : nullptr);
      EXPECT_EQ(burst[i].hash, table.hash(burst[i].key));
    }
    for (const Lookup& lookup : burst) {
      const Whole* found = table.find(lookup);
      EXPECT_EQ(found, table.find(lookup.key));
      if (found != nullptr) {
        EXPECT_EQ(table.candidate(lookup), found);
      }
    }
  }
}

// Two hashes that are the same put two flows in a row.
struct Colliding {
  Key key;
  bool used = false;

  bool empty() const { return !used; }
  uint32_t hash() const { return 5; }
  bool belongs_to(const Key& k) const { return key == k; }
};

TEST(Table, flows_with_one_hash_outlive_each_other) {
  for (uint32_t first = 0; first < 4; ++first) {
    Table<Colliding> table(8, kTableSecret);
    for (uint32_t n = 0; n < 4; ++n) table.insert({numbered(n), true});
    table.erase(*table.find(5, numbered(first)));
    for (uint32_t n = 0; n < 4; ++n) {
      const Colliding* found = table.find(5, numbered(n));
      ASSERT_EQ(found != nullptr, n != first);
      if (found != nullptr) {
        EXPECT_EQ(found->key, numbered(n));
      }
    }
  }
}

#ifndef NDEBUG
TEST(TableDeathTest, refuses_more_than_its_capacity) {
  Table<Whole> table(1, kTableSecret);
  table.insert(whole(table, numbered(1)));
  EXPECT_DEATH(table.insert(whole(table, numbered(2))), "full");
}
#endif

}  // namespace
}  // namespace sluice::flow
