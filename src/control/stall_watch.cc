#include "control/stall_watch.h"

#include <fmt/format.h>

namespace sluice::control {

std::vector<StallWatch::Line> StallWatch::look(const std::vector<stats::Worker*>& workers,
                                               Clock::time_point now) {
  std::vector<Line> lines;
  seen_.resize(workers.size());
  for (size_t w = 0; w < workers.size(); ++w) {
    Seen& seen = seen_[w];
    admin::Stall& stall = stalls_[w];
    const uint64_t loops = workers[w]->loops.get();
    if (loops != seen.loops) {
      if (stall.standing)
        lines.push_back({true, fmt::format("worker {} goes on, after {:.1f} s", w, stall.seconds)});
      stall.standing = false;
      seen = {loops, now};
      continue;
    }
    // A worker that has not begun, or has ended, has no turns to make.
    if (loops == 0 || workers[w]->ended()) continue;
    const std::chrono::duration<double> still = now - seen.since;
    if (still < kStill) continue;
    stall.seconds = still.count();
    if (stall.standing) continue;
    stall.standing = true;
    ++stall.times;
    stall.stage = kStageNames[static_cast<size_t>(workers[w]->stages.now.load())];
    stall.where = probe_ ? probe_(w) : std::string();
    lines.push_back({false, fmt::format("worker {} has stood still for {:.1f} s in stage {}{}{}", w,
                                        stall.seconds, stall.stage,
                                        stall.where.empty() ? "" : ", at ", stall.where)});
  }
  return lines;
}

}  // namespace sluice::control
