#pragma once
// The part of a connection to a pod that only HTTP/2 needs: PINGs, RST_STREAM that wait, and the
// look whether the connection is spare.

#include <cstdint>
#include <optional>

#include "base/chrono.h"
#include "base/timer_wheel.h"
#include "upstream/reset_budget.h"

namespace sluice::upstream {

struct Http2State {
  Http2State(Timer::Fire on_reset, Timer::Fire on_ping, void* owner)
      : reset_timer(on_reset, owner), ping_timer(on_ping, owner) {}

  ResetBudget resets;
  uint32_t resets_waiting = 0;  // at the last look
  Timer reset_timer;            // for when a RST_STREAM that waits may leave
  Timer ping_timer;             // for the next PING, or the end of the wait for its ACK
  Time ping_sent_at{};
  bool ping_sent = false;
  bool over_budget = false;  // a RST_STREAM has to wait, or had to
  // The streams begun at the last look, when none was open then.
  std::optional<uint32_t> begun_when_idle;
};

}  // namespace sluice::upstream
