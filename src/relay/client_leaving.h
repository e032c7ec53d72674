#pragma once
// The part of a client's connection that only a connection needs that is drained, ended or closed.

#include <cstdint>

#include "base/chrono.h"
#include "base/timer_wheel.h"

namespace sluice::relay {

struct ClientLeaving {
  ClientLeaving(Timer::Fire fire, void* owner) : timer(fire, owner) {}

  Timer timer;                 // for the next step of the drain
  Time linger_ends = kNever;   // at the latest
  Time last_drained = kNever;  // kNever: nothing has come behind our FIN
  uint64_t discarded = 0;      // bytes that arrived after our FIN (HTTP/2)
};

}  // namespace sluice::relay
