#pragma once
// A passive open that waits for its last ACK: SYN-RECEIVED, at a lower cost than a connection.

#include <cstdint>
#include <optional>

#include "base/chrono.h"
#include "base/timer_wheel.h"
#include "tcp/flow_table.h"

namespace sluice::tcp {

// The result of a handshake; all that a connection needs to begin.
struct Handshake {
  uint32_t iss = 0;
  uint32_t irs = 0;
  uint16_t peer_mss = 0;
  std::optional<uint8_t> peer_scale;  // absent: no scaling in either direction
  bool sack = false;
  bool timestamps = false;
  bool ecn = false;
  uint32_t ts_recent = 0;
  uint32_t ts_offset = 0;
  uint16_t offered_window = 0;  // in our SYN-ACK, unscaled
  Duration rtt{};               // of SYN-ACK and ACK; zero when unknown
};

struct HalfOpen : Flow {
  HalfOpen(const Endpoint& l, const Endpoint& r, Timer::Fire fire)
      : Flow(Kind::kHalfOpen, l, r), timer(fire, this) {}

  Handshake handshake;
  Time sent{};
  uint8_t retransmits = 0;
  Time answered{};        // when the last challenge ACK left
  void* stack = nullptr;  // the Stack, for the timer
  Timer timer;
};

}  // namespace sluice::tcp
