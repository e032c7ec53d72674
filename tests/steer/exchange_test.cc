#include "steer/exchange.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <thread>
#include <vector>

namespace sluice::steer {
namespace {

using Ring = SpscRing<std::unique_ptr<int>>;

TEST(SpscRing, staged_items_are_seen_once_they_are_published) {
  Ring ring(8);
  std::array<std::unique_ptr<int>, 8> out;
  EXPECT_TRUE(ring.stage(std::make_unique<int>(1)));
  EXPECT_TRUE(ring.stage(std::make_unique<int>(2)));
  EXPECT_EQ(ring.take(out), 0u);
  ring.publish();
  ASSERT_EQ(ring.take(out), 2u);
  EXPECT_EQ(*out[0], 1);
  EXPECT_EQ(*out[1], 2);
  EXPECT_EQ(ring.take(out), 0u);
}

TEST(SpscRing, a_full_ring_refuses_and_leaves_the_item_to_its_owner) {
  Ring ring(4);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(ring.stage(std::make_unique<int>(i)));
  auto more = std::make_unique<int>(4);
  EXPECT_FALSE(ring.stage(std::move(more)));
  EXPECT_NE(more, nullptr);
  ring.publish();
  std::array<std::unique_ptr<int>, 1> out;
  EXPECT_EQ(ring.take(out), 1u);
  EXPECT_TRUE(ring.stage(std::move(more)));
}

TEST(SpscRing, two_threads_see_every_item_once_and_in_order) {
  constexpr int kItems = 20'000;
  Ring ring(64);
  std::thread producer([&] {
    for (int i = 0; i < kItems;) {
      auto item = std::make_unique<int>(i);
      if (ring.stage(std::move(item))) ++i;
      if (i % 7 == 0 || i == kItems) ring.publish();
    }
    ring.publish();
  });
  std::array<std::unique_ptr<int>, 16> out;
  int next = 0;
  while (next < kItems) {
    const size_t n = ring.take(out);
    for (size_t i = 0; i < n; ++i) ASSERT_EQ(*out[i], next++);
  }
  producer.join();
}

TEST(Exchange, has_a_way_of_its_own_from_each_worker_to_each_other) {
  Exchange exchange(3);
  EXPECT_NE(&exchange.way(0, 1), &exchange.way(1, 0));
  EXPECT_NE(&exchange.way(0, 1), &exchange.way(0, 2));
}

TEST(Exchange, has_drained_when_every_worker_has) {
  Exchange exchange(2);
  exchange.report_drained();
  EXPECT_FALSE(exchange.all_drained());
  exchange.report_drained();
  EXPECT_TRUE(exchange.all_drained());
}

}  // namespace
}  // namespace sluice::steer
