#pragma once
// What TCP counts, per worker.

#include "stats/table.h"

namespace sluice::stats {

// clang-format off
#define SLUICE_TCP_STATS(X)                                                                    \
  X(Gauge,   connections,        "connections now, without half-open and TIME_WAIT ones")      \
  X(Gauge,   half_open,          "handshakes under way now")                                   \
  X(Gauge,   time_wait,          "closed four-tuples remembered now")                          \
  X(Counter, accepted,           "connections that clients opened")                            \
  X(Counter, opened,             "connections opened to pods")                                 \
  X(Counter, connect_failed,     "connections to pods that were refused or timed out")         \
  X(Counter, closed,             "connections that ended, in whatever way")                    \
  X(Counter, resets_in,          "connections that the peer reset")                            \
  X(Counter, resets_out,         "RST segments sent")                                          \
  X(Counter, timed_out,          "connections whose peer stopped answering")                   \
  X(Counter, segments_in,        "segments received")                                          \
  X(Counter, segments_out,       "segments sent")                                              \
  X(Counter, bytes_in,           "payload received in order")                                  \
  X(Counter, bytes_out,          "payload sent, retransmissions not counted")                  \
  X(Counter, retransmits,        "segments sent again")                                        \
  X(Counter, rto,                "retransmission timeouts")                                    \
  X(Counter, fast_recoveries,    "losses repaired without a timeout")                          \
  X(Counter, tail_probes,        "tail loss probes sent")                                      \
  X(Counter, spurious,           "retransmissions that D-SACK or timestamps proved needless")  \
  X(Counter, duplicate_segments, "segments received twice")                                    \
  X(Counter, out_of_order,       "segments received ahead of a gap")                           \
  X(Counter, zero_window_probes, "probes sent into a closed window")                           \
  X(Counter, bad_segments,       "segments with a malformed header or options")                \
  X(Counter, out_of_window,      "segments outside the window, answered by an ACK")            \
  X(Counter, paws_rejected,      "segments with an old timestamp (RFC 7323)")                  \
  X(Counter, challenge_acks,     "challenge ACKs sent (RFC 5961)")                             \
  X(Counter, challenge_limited,  "challenge ACKs not sent: over the rate limit")               \
  X(Counter, syn_cookies_sent,   "SYNs answered with a cookie")                                \
  X(Counter, syn_cookies_good,   "connections accepted from a cookie")                         \
  X(Counter, syn_cookies_bad,    "ACKs with a wrong cookie")                                   \
  X(Counter, no_listener,        "SYNs for a port that nobody listens on")                     \
  X(Counter, no_connection,      "segments of no connection that is known")                    \
  X(Counter, table_full,         "connections refused: the table was full")                    \
  X(Counter, memory_drops,       "segments dropped for want of buffers")
// clang-format on

struct Tcp {
  SLUICE_STATS_TABLE(SLUICE_TCP_STATS)
};

}  // namespace sluice::stats
