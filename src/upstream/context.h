#pragma once
// The state that the pools of one worker share, with each other and with the relay above them.

#include <cstdint>
#include <span>

#include "base/chrono.h"
#include "base/list.h"
#include "base/random.h"
#include "base/slab.h"
#include "base/timer_wheel.h"
#include "config/guards.h"
#include "config/settings.h"
#include "http/codec.h"
#include "pods/other_loads.h"
#include "stats/worker.h"
#include "transport/layer.h"
#include "upstream/connect_turns.h"
#include "upstream/flushable.h"
#include "upstream/pod_heap.h"

namespace sluice::upstream {

class PodConnection;

struct Context {
  // Everything referred to outlives the context. workers: the counters of all workers; this
  // worker's are at index `self`.
  Context(Time now, transport::Layer& plain, http::Codec& http1, http::Codec& http2,
          TimerWheel& wheel, std::span<stats::Worker* const> workers, size_t self, uint64_t seed);
  ~Context();

  Time now;
  transport::Layer& plain;  // streams without a security protocol
  http::Codec& http1;
  http::Codec& http2;
  TimerWheel& wheel;
  std::span<stats::Worker* const> workers;
  size_t self;
  stats::Worker& stats;
  pods::OtherLoads other_loads;
  Random random;
  config::Limits limits;
  config::Guards guards;
  Duration pod_idle = config::Timeouts{}.pod_idle;

  PodHeap pod_heap{stats.relay};
  ConnectTurns connect_turns;
  Slab<PodConnection> pod_connections;
  uint64_t pod_connections_ever = 0;
  List<Flushable, Flushable> dirty;

  void touch(Flushable& f) {
    if (!f.linked()) dirty.push_back(f);
  }
};

}  // namespace sluice::upstream
