#pragma once
// The stages of a worker's turn, their cycles, and the stage that the worker is in.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/stage_meter.h"
#include "stats/counter.h"

namespace sluice::stats {

struct Stages {
  // Cycles of the turns that were measured and did something; a sample of about one turn in 64.
  std::array<Counter, kStages> cycles;
  Counter sleeps;
  // The stage that the worker is in. Finer than the turn's own steps only in turns that are
  // measured.
  std::atomic<Stage> now{Stage::kRx};
  // The kernel's id of the worker's thread; 0 before the worker runs.
  std::atomic<int> thread{0};
};

}  // namespace sluice::stats
