#pragma once
// The state that all streams of one worker share.

#include <array>
#include <cstdint>

#include "base/chrono.h"
#include "base/slab.h"
#include "base/timer_wheel.h"
#include "buf/memory.h"
#include "config/guards.h"
#include "stats/events.h"
#include "stats/tls.h"
#include "tls/handshake_pool.h"
#include "tls/stream.h"
#include "tls/ticket_keys.h"

namespace sluice::tls {

struct Context {
  // Everything referred to outlives the context. tickets: nullptr for none. queue: to the helper
  // threads that make handshakes; nullptr: the worker makes them, in the lane.
  Context(TimerWheel& timers, buf::Memory& packets, stats::Tls& counters, stats::Events& log,
          const TicketKeys* tickets, HandshakeQueue* queue = nullptr, size_t own_lane = 0)
      : wheel(timers),
        memory(packets),
        stats(counters),
        events(log),
        ticket_keys(tickets),
        handshakes(queue),
        lane(own_lane) {}

  // Once a turn: goes on with the handshakes that helper threads have worked on. Returns their
  // number.
  size_t collect() { return handshakes == nullptr || handshakes->away() == 0 ? 0 : take_back(); }

  Time now{};  // of the current turn
  TimerWheel& wheel;
  buf::Memory& memory;
  stats::Tls& stats;
  stats::Events& events;
  const TicketKeys* const ticket_keys;
  HandshakeQueue* handshakes;
  const size_t lane;
  config::Guards guards;
  Slab<Stream> streams;
  // The payload of a record that OpenSSL makes.
  std::array<uint8_t, Records::kMaxPlain> scratch;
  // False: OpenSSL makes the records of all connections that begin from now on.
  bool own_records = true;

 private:
  size_t take_back();
};

}  // namespace sluice::tls
