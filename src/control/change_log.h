#pragma once
// The log lines about what comes and goes around Sluice: pods, services, neighbours.

#include <string>

#include "admin/ledger.h"
#include "config/snapshot.h"
#include "stats/changes.h"

namespace sluice::control {

// The line for one change, without its level.
std::string line_of(const stats::Change& change, const config::Snapshot& current,
                    const admin::Ledger& ledger);

class ChangeLog {
 public:
  // Writes the notes of the workers since the last look.
  void look(const config::Snapshot& current, const admin::Ledger& ledger);

 private:
  // The limit of lines. When a whole rack goes or comes, a few lines appear ten times a second,
  // then a number.
  static constexpr unsigned kLinesInALook = 16;

  uint64_t unlogged_ = 0;
  uint64_t lost_ = 0;  // of the workers' rings, as of the last look
};

}  // namespace sluice::control
