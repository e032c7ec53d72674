#pragma once
// The state of a connection that something unusual has happened to: a loss, a duplicate, a narrow
// path, an intruder. Most connections never have it.

#include <array>
#include <cstdint>

#include "base/chrono.h"
#include "tcp/header.h"
#include "tcp/path_mtu.h"
#include "tcp/prr.h"
#include "tcp/sequence.h"

namespace sluice::tcp {

struct Episode {
  std::array<SackBlock, 2> seen_sacks{};  // of the last ACK with any, as long as some count
  // Of the last duplicate that arrived.
  Seq duplicate_begin = 0;
  Seq duplicate_end = 0;
  Seq recovery_end = 0;  // snd_nxt when the episode began
  Seq ecn_end = 0;       // snd_nxt at the last reduction for an echo
  Time timed_out_at{};
  uint32_t undo_resent = 0;  // segments resent in the episode and not reported as duplicates
  Seq resent_begin = 0;      // all that the episode retransmitted lies within these two
  Seq resent_end = 0;
  Prr prr;
  PathMtu path_mtu;
  Time out_of_window_answered{};
  Time challenged{};
};

}  // namespace sluice::tcp
