#pragma once
// The counters of hand-over between workers, per worker.

#include "stats/table.h"

namespace sluice::stats {

// clang-format off
#define SLUICE_STEER_STATS(X)                                                                     \
  X(Counter, handed_over, "packets that arrived here and were given to their flow's worker")       \
  X(Counter, taken_over, "packets of own flows that arrived at another worker")                    \
  X(Counter, overflow, "packets dropped: too many waited for their flow's worker")                 \
  X(Counter, dropped, "packets of other workers dropped here: a wrong checksum, a listener that has gone, or an ICMP error that nobody uses") \
  X(Counter, news_lost, "news about neighbours that another worker had no room for")
// clang-format on

struct Steer {
  SLUICE_STATS_TABLE(SLUICE_STEER_STATS)
};

}  // namespace sluice::stats
