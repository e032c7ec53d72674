#include "worker/turn_sampler.h"

#include <gtest/gtest.h>

namespace sluice::worker {
namespace {

uint64_t cycles = 0;
uint64_t count() {
  return cycles;
}

class TurnSamplerTest : public testing::Test {
 protected:
  ~TurnSamplerTest() override { cycles = 0; }

  // A turn in which IP takes 10 cycles, TCP 200 with 50 of the relay inside, and so on.
  void turn(bool worked) {
    sampler.begin_turn(cycles);
    measured += StageMeter::running != nullptr;
    cycles += 3;
    sampler.enter(Stage::kIp);
    cycles += 10;
    in_stage(Stage::kTcp, [] {
      cycles += 100;
      in_stage(Stage::kRelay, [] { cycles += 50; });
      cycles += 50;
    });
    cycles += 2;
    sampler.enter(Stage::kTx);
    cycles += 7;
    sampler.end_turn(worked);
  }
  uint64_t sampled(Stage s) const { return stages.cycles[static_cast<size_t>(s)].get(); }

  stats::Stages stages;
  TurnSampler sampler{stages, count};
  uint64_t measured = 0;
};

TEST_F(TurnSamplerTest, measures_about_one_turn_in_64_and_gives_each_cycle_to_its_stage) {
  for (int i = 0; i < 64'000; ++i) turn(true);
  EXPECT_NEAR(static_cast<double>(measured), 1'000, 100);
  EXPECT_EQ(sampled(Stage::kRx), 3 * measured);
  EXPECT_EQ(sampled(Stage::kIp), 12 * measured);
  EXPECT_EQ(sampled(Stage::kTcp), 150 * measured);
  EXPECT_EQ(sampled(Stage::kRelay), 50 * measured);
  EXPECT_EQ(sampled(Stage::kTx), 7 * measured);
  EXPECT_EQ(sampled(Stage::kHttp), 0u);
}

TEST_F(TurnSamplerTest, turns_that_did_nothing_have_no_stages) {
  for (int i = 0; i < 1'000; ++i) turn(false);
  EXPECT_GT(measured, 0u);
  EXPECT_EQ(sampled(Stage::kTcp), 0u);
}

TEST_F(TurnSamplerTest, the_marker_tells_the_step_in_every_turn) {
  for (int i = 0; i < 200; ++i) {
    sampler.begin_turn(cycles);
    EXPECT_EQ(stages.now.load(), Stage::kRx);
    sampler.enter(Stage::kTimers);
    EXPECT_EQ(stages.now.load(), Stage::kTimers);
    sampler.end_turn(true);
  }
}

TEST_F(TurnSamplerTest, without_a_counter_nothing_is_measured) {
  TurnSampler other(stages, nullptr);
  for (int i = 0; i < 1'000; ++i) {
    other.begin_turn(0);
    EXPECT_EQ(StageMeter::running, nullptr);
    other.end_turn(true);
  }
}

}  // namespace
}  // namespace sluice::worker
