// How Maglev spreads flows over pods, and how few of them move when pods come and go.

#include "base/maglev.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/hash.h"

namespace sluice {
namespace {

std::vector<Maglev::Backend> backends(size_t n) {
  std::vector<Maglev::Backend> all;
  for (size_t i = 0; i < n; ++i) all.push_back({mix64(i + 1), 1});
  return all;
}

std::vector<size_t> shares(const Maglev& maglev, size_t n) {
  std::vector<size_t> count(n);
  for (const uint16_t e : maglev.entries()) ++count.at(e);
  return count;
}

TEST(MaglevTable, is_empty_without_backends_and_without_weights) {
  EXPECT_EQ(Maglev().pick(1), Maglev::kNone);
  const Maglev::Backend none{1, 0};
  EXPECT_EQ(Maglev({&none, 1}).pick(1), Maglev::kNone);
}

// Another appliance, or the next version of Sluice, must send the same flow to the same pod. A
// change of these numbers moves every flow of a fleet that is upgraded one by one.
TEST(MaglevTable, has_the_same_entries_in_every_process_and_version) {
  const Maglev table(backends(5));
  uint64_t digest = 0;
  for (const uint16_t e : table.entries()) digest = mix64(digest ^ e);
  EXPECT_EQ(digest, 1228020887972008583u);
}

TEST(MaglevTable, gives_equal_backends_equal_shares) {
  const auto all = backends(100);
  const auto count = shares(Maglev(all), 100);
  const auto [least, most] = std::minmax_element(count.begin(), count.end());
  EXPECT_LE(*most - *least, 1u);
}

TEST(MaglevTable, gives_shares_in_proportion_to_weights) {
  const std::vector<Maglev::Backend> all{{11, 1}, {22, 3}, {33, 6}, {44, 0}};
  const auto count = shares(Maglev(all), 4);
  EXPECT_NEAR(count[0], Maglev::kEntries * 0.1, 2);
  EXPECT_NEAR(count[1], Maglev::kEntries * 0.3, 2);
  EXPECT_NEAR(count[2], Maglev::kEntries * 0.6, 2);
  EXPECT_EQ(count[3], 0u);
}

TEST(MaglevTable, does_not_depend_on_the_order_of_the_backends) {
  auto all = backends(10);
  const Maglev before(all);
  std::reverse(all.begin(), all.end());
  const Maglev after(all);
  for (uint32_t i = 0; i < Maglev::kEntries; ++i)
    ASSERT_EQ(before.entries()[i], 9 - after.entries()[i]);
}

// Goal: at most 1.5 % of the flows move beyond the hundredth that has to.
TEST(MaglevTable, moves_few_flows_when_one_of_a_hundred_backends_comes_or_goes) {
  const auto all = backends(101);
  const Maglev with(all);
  for (const size_t leaving : {size_t{0}, size_t{50}, size_t{100}}) {
    auto rest = all;
    rest.erase(rest.begin() + static_cast<long>(leaving));
    const Maglev without(rest);
    size_t moved = 0;
    for (uint32_t i = 0; i < Maglev::kEntries; ++i) {
      const uint64_t before = all[with.entries()[i]].identity;
      if (before == all[leaving].identity) continue;  // has to move
      if (rest[without.entries()[i]].identity != before) ++moved;
    }
    EXPECT_LE(double(moved) / Maglev::kEntries, 0.015) << "of backend " << leaving;
  }
}

}  // namespace
}  // namespace sluice
