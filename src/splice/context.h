#pragma once
// The state that the relayed connections of one worker share.

#include <cstdint>
#include <span>

#include "base/chrono.h"
#include "base/list.h"
#include "base/random.h"
#include "base/slab.h"
#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "config/access_log.h"
#include "config/guards.h"
#include "config/settings.h"
#include "pods/other_loads.h"
#include "stats/worker.h"
#include "tcp/stack.h"
#include "tls/context.h"
#include "transport/layer.h"

namespace sluice::splice {

class Splice;

// Tags of lists: of splices that have something to do at the end of the turn; and of all, those
// first that were looked at longest ago when memory was short.
struct Touched;
struct Held;

struct Context {
  Context(Time start, tcp::Stack& stack, transport::Layer& streams, tls::Context& secure,
          TimerWheel& timers, buf::Memory& packets, std::span<stats::Worker* const> all,
          size_t own_index, uint64_t own_seed);
  ~Context();

  Time now;
  tcp::Stack& tcp;
  transport::Layer& plain;  // streams without a security protocol
  tls::Context& tls;
  TimerWheel& wheel;
  buf::Memory& memory;
  std::span<stats::Worker* const> workers;  // the counters of all of them
  size_t self;                              // index of this worker's
  uint64_t seed;
  stats::Worker& stats;
  pods::OtherLoads other_loads;
  Random random;
  config::Timeouts timeouts;
  config::Limits limits;
  config::Guards guards;
  config::AccessLog access_log;
  uint32_t since_access_sample = 0;  // connections since the last one that the access log took

  Slab<Splice> splices;
  List<Splice, Touched> touched;
  List<Splice, Held> held;
};

}  // namespace sluice::splice
