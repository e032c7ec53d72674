#pragma once
// The log's lines about connections and streams that ended, or were judged, for what a peer did.

#include <cstdint>
#include <span>

#include "stats/worker.h"

namespace sluice::control {

class EventLog {
 public:
  // Writes what the workers have noted since the last look.
  void look(std::span<stats::Worker* const> workers);

 private:
  static constexpr unsigned kLinesInALook = 8;  // under attack the log stays readable

  uint64_t unlogged_ = 0;
};

}  // namespace sluice::control
