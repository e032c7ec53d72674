#pragma once
// Chooses the turns whose cycles are divided by stage, and keeps the marker of the stage.

#include <cstdint>

#include "base/hash.h"
#include "base/stage_meter.h"
#include "stats/stages.h"

namespace sluice::worker {

class TurnSampler {
 public:
  // Turns between two that are measured: 1 to 127, at random, so that no rhythm of the load hides.
  static constexpr uint32_t kMostBetween = 127;

  // counter: nullptr: no turn is measured, and the marker alone is kept.
  TurnSampler(stats::Stages& stages, StageMeter::Counter counter)
      : stages_(stages), counter_(counter) {}
  TurnSampler(const TurnSampler&) = delete;
  ~TurnSampler() { StageMeter::running = nullptr; }

  void begin_turn(uint64_t cycles) {
    enter(Stage::kRx);
    if (--left_ == 0) [[unlikely]]
      begin_sample(cycles);
  }
  // A step of the turn.
  void enter(Stage stage) {
    stages_.now.store(stage, std::memory_order_relaxed);
    if (StageMeter::running != nullptr) [[unlikely]]
      meter_.enter(stage);
  }
  // This turn is measured.
  static bool measures() { return StageMeter::running != nullptr; }
  // worked: the turn did something.
  void end_turn(bool worked) {
    if (StageMeter::running != nullptr) [[unlikely]]
      end_sample(worked);
  }

 private:
  void begin_sample(uint64_t cycles) {
    random_ = mix64(random_ + 1);
    left_ = 1 + static_cast<uint32_t>(random_ % kMostBetween);
    if (counter_ == nullptr) return;
    meter_.begin(counter_, cycles);
    StageMeter::running = &meter_;
  }
  void end_sample(bool worked) {
    meter_.enter(Stage::kIdle);
    StageMeter::running = nullptr;
    if (!worked) return;
    for (size_t i = 0; i < kStages; ++i) stages_.cycles[i].add(meter_.cycles()[i]);
  }

  stats::Stages& stages_;
  const StageMeter::Counter counter_;
  StageMeter meter_;
  uint32_t left_ = 1;
  uint64_t random_ = 0;
};

}  // namespace sluice::worker
