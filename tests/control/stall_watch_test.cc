#include "control/stall_watch.h"

#include <gtest/gtest.h>

#include <memory>

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

class StallWatchTest : public testing::Test {
 protected:
  std::string look(std::chrono::milliseconds later) {
    now += later;
    std::string text;
    for (const StallWatch::Line& l : watch.look({first.get(), second.get()}, now))
      text += (l.good ? "good: " : "bad: ") + l.text + "\n";
    return text;
  }

  std::unique_ptr<stats::Worker> first = std::make_unique<stats::Worker>();
  std::unique_ptr<stats::Worker> second = std::make_unique<stats::Worker>();
  StallWatch::Clock::time_point now{1h};
  StallWatch watch{2, [](size_t w) { return "sluiced+0x" + std::to_string(100 + w); }};
};

TEST_F(StallWatchTest, a_loop_that_stands_still_for_a_second_is_said_once_with_its_place) {
  ++first->loops, ++second->loops;
  EXPECT_EQ(look(0ms), "");
  second->stages.now = Stage::kRelay;
  for (int i = 0; i < 9; ++i) {
    ++first->loops;
    EXPECT_EQ(look(100ms), "");
  }
  ++first->loops;
  EXPECT_EQ(look(100ms),
            "bad: worker 1 has stood still for 1.0 s in stage relay, at sluiced+0x101\n");
  ++first->loops;
  EXPECT_EQ(look(500ms), "");
  EXPECT_TRUE(watch.stalls()[1].standing);
  EXPECT_EQ(watch.stalls()[1].times, 1u);
  EXPECT_EQ(watch.stalls()[1].where, "sluiced+0x101");
  EXPECT_FALSE(watch.stalls()[0].standing);
  ++first->loops, ++second->loops;
  EXPECT_EQ(look(100ms), "good: worker 1 goes on, after 1.5 s\n");
  EXPECT_FALSE(watch.stalls()[1].standing);
  EXPECT_EQ(watch.stalls()[1].times, 1u);
}

TEST_F(StallWatchTest, a_worker_that_has_not_begun_or_has_ended_does_not_stand_still) {
  EXPECT_EQ(look(10s), "");
  ++first->loops, ++second->loops;
  EXPECT_EQ(look(10s), "");
  first->end(), second->end();
  EXPECT_EQ(look(10s), "");
}

}  // namespace
}  // namespace sluice::control
