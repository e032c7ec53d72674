#pragma once
// Notices a worker whose loop stands still: a system call of a driver that does not return, an
// endless loop, or a core that something else has taken.

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "admin/report.h"
#include "stats/worker.h"

namespace sluice::control {

class StallWatch {
 public:
  using Clock = std::chrono::steady_clock;
  // A loop without a turn for so long stands still. A sleeping worker turns 100 times a second.
  static constexpr std::chrono::milliseconds kStill{1'000};
  // The code in which the worker is; called on the control thread, for a worker that stands still.
  // May be empty.
  using Probe = std::function<std::string(size_t worker)>;

  StallWatch(size_t workers, Probe probe) : probe_(std::move(probe)), stalls_(workers) {}

  struct Line {
    bool good = false;  // the worker goes on
    std::string text;
  };
  // Call it ten times a second. One line when a worker begins to stand still, one when it goes on.
  std::vector<Line> look(const std::vector<stats::Worker*>& workers, Clock::time_point now);

  // By worker.
  const std::vector<admin::Stall>& stalls() const { return stalls_; }

 private:
  struct Seen {
    uint64_t loops = 0;
    Clock::time_point since{};  // the last look that saw another number; zero before the first turn
  };

  Probe probe_;
  std::vector<Seen> seen_;
  std::vector<admin::Stall> stalls_;
};

}  // namespace sluice::control
