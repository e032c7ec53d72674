#pragma once
// The part of a connection to a pod that is needed until the connection takes calls.

#include "base/timer_wheel.h"
#include "upstream/connect_turns.h"

namespace sluice::upstream {

struct Connecting {
  Connecting(Timer::Fire fire, void* owner) : timer(fire, owner) {}

  ConnectTurns::Flight flight;  // the connect, as ConnectTurns counts it
  Timer timer;                  // connect_timeout
};

}  // namespace sluice::upstream
