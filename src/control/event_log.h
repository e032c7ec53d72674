#pragma once
// The log lines about connections and streams that ended, or were judged, for a peer's behaviour.

#include <cstdint>
#include <span>

#include "stats/worker.h"

namespace sluice::control {

class EventLog {
 public:
  // Writes the notes of the workers since the last look.
  void look(std::span<stats::Worker* const> workers);

 private:
  static constexpr unsigned kLinesInALook = 8;  // under attack the log stays readable

  uint64_t unlogged_ = 0;
  uint64_t lost_ = 0;  // notes for which the workers had no room
};

}  // namespace sluice::control
