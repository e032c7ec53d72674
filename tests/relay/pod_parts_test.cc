#include "relay/pod_parts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"
#include "support/pod_edits.h"

namespace sluice::relay {
namespace {

config::SharedList<config::Pod> pods_of(const std::vector<uint32_t>& slots) {
  std::vector<config::Pod> out;
  for (const uint32_t s : slots) out.push_back({.slot = s});
  return out;
}

std::vector<uint32_t> some_of(uint32_t all, uint32_t share, Random& random) {
  std::vector<uint32_t> out;
  for (uint32_t i = 0; i < all; ++i)
    if (random.below(8) < share) out.push_back(i);
  return out;
}

TEST(PodParts, lead_from_one_list_to_the_next_and_let_pods_come_before_others_leave) {
  Random random(3);
  for (int round = 0; round < 300; ++round) {
    const std::vector<uint32_t> before = some_of(60, 1 + round % 7, random);
    const std::vector<uint32_t> next = some_of(60, 1 + round % 5, random);
    config::Snapshot snapshot;
    snapshot.difference =
        config::Difference{.changes = {{0, test::pod_edits(pods_of(before), pods_of(next))},
                                       {1, test::pod_edits(pods_of(before), pods_of(next))}}};
    PodParts parts;
    parts.begin(snapshot);
    std::vector<uint32_t> list = before;
    size_t least = before.size();
    while (const auto part = parts.next([](const auto& c) { return c.service == 0; })) {
      if (part->what == PodPart::What::kAll) {
        if (part->change->service == 0) list = next;  // a small one
        continue;
      }
      EXPECT_EQ(part->change->service, 0u);
      EXPECT_LE(part->count, PodParts::kPods);
      const auto at = list.begin() + static_cast<std::ptrdiff_t>(part->place);
      if (part->what == PodPart::What::kCome) {
        list.insert(at, next.begin() + part->first, next.begin() + part->first + part->count);
      } else {
        EXPECT_TRUE(std::equal(at, at + part->count, before.begin() + part->first));
        list.erase(at, at + part->count);
      }
      least = std::min(least, list.size());
    }
    EXPECT_EQ(list, next);
    EXPECT_GE(least, std::min(before.size(), next.size()));
  }
}

TEST(PodParts, a_small_change_is_one_part) {
  config::Snapshot snapshot;
  snapshot.difference = config::Difference{.changes = {{0, {{.at = 0, .removed = 4, .added = 4}}}}};
  PodParts parts;
  parts.begin(snapshot);
  const auto part = parts.next([](const auto&) { return true; });
  ASSERT_TRUE(part);
  EXPECT_EQ(part->what, PodPart::What::kAll);
  EXPECT_FALSE(parts.next([](const auto&) { return true; }));
}

}  // namespace
}  // namespace sluice::relay
