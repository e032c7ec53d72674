#pragma once
// TCP's counters under the roof of the worker's: TCP knows nothing of stats, and control reads
// nothing else.

#include "stats/tcp.h"
#include "tcp/counters.h"
#include "tcp/stack.h"

namespace sluice::worker {

inline void copy_tcp_stats(const tcp::Stack& stack, const tcp::Counters& from, stats::Tcp& to) {
  to.connections.set(stack.connections());
  to.half_open.set(stack.half_open());
  to.time_wait.set(stack.time_wait());
#define SLUICE_X(name, help) to.name.set(from.name.get());
  SLUICE_TCP_COUNTERS(SLUICE_X)
#undef SLUICE_X
}

}  // namespace sluice::worker
