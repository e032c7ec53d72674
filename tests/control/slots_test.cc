#include "control/slots.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

class SlotsTest : public testing::Test {
 protected:
  std::optional<std::vector<uint32_t>> assign(const std::vector<std::string>& keys,
                                              uint64_t adopted) {
    reused.clear();
    return slots.assign(
        keys, ++generation, adopted, [this](uint32_t s) { return s != busy; }, reused);
  }
  Slots slots{3};
  uint64_t generation = 0;
  uint32_t busy = 99;
  std::vector<uint32_t> reused;
};
using V = std::vector<uint32_t>;

TEST_F(SlotsTest, what_stays_keeps_its_slot) {
  EXPECT_EQ(assign({"a", "b"}, 0), (V{0, 1}));
  EXPECT_EQ(assign({"b", "c"}, 1), (V{1, 2}));
}

TEST_F(SlotsTest, what_comes_back_gets_its_slot_again) {
  assign({"a", "b"}, 0);
  assign({"b"}, 1);
  EXPECT_EQ(assign({"b", "a"}, 2), (V{1, 0}));
  EXPECT_TRUE(reused.empty());
}

TEST_F(SlotsTest, a_slot_is_not_reused_before_every_worker_has_seen_the_removal) {
  assign({"a", "b", "c"}, 0);  // generation 1
  assign({"b", "c"}, 1);       // generation 2 removes a
  EXPECT_EQ(assign({"b", "c", "d"}, 1), std::nullopt);
  EXPECT_EQ(assign({"b", "c", "d"}, 2), (V{1, 2, 0}));
  EXPECT_EQ(reused, (V{0}));
}

TEST_F(SlotsTest, a_slot_with_streams_is_not_reused) {
  assign({"a", "b", "c"}, 0);
  assign({"c"}, 1);
  busy = 0;
  EXPECT_EQ(assign({"c", "d"}, 2), (V{2, 1}));
  EXPECT_EQ(assign({"c", "d", "e"}, 3), std::nullopt);
  busy = 99;
  EXPECT_EQ(assign({"c", "d", "e"}, 3), (V{2, 1, 0}));
}

TEST_F(SlotsTest, a_refused_assignment_changes_nothing) {
  assign({"a", "b"}, 0);
  EXPECT_EQ(assign({"x", "y"}, 0), std::nullopt);
  EXPECT_EQ(assign({"a", "b", "c"}, 0), (V{0, 1, 2}));
}

}  // namespace
}  // namespace sluice::control
