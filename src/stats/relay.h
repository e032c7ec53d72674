#pragma once
// The counters of the relay, per worker: calls and their retries, waiting and deadlines,
// connections to pods, and the guards that act on clients as a whole.

#include "stats/table.h"

namespace sluice::stats {

// clang-format off
#define SLUICE_RELAY_STATS(X)                                                                                       \
  X(Gauge,   client_connections,   "connections of clients now")                                                    \
  X(Gauge,   pod_connections,      "connections to pods now")                                                       \
  X(Gauge,   streams,              "streams of clients now")                                                        \
  X(Gauge,   queued_streams,       "streams waiting for a pod now")                                                 \
  X(Gauge,   calls_heap,           "bytes of heap that calls of clients take now")                                  \
  X(Gauge,   client_tables,        "bytes of heap that HPACK's tables of clients' connections take now")            \
  X(Gauge,   pod_heap,             "bytes of heap that HPACK's tables and unfinished frames of pods take now")      \
  X(Counter, trailers_dropped,     "fields of trailers that belong in front of the content")                        \
  X(Counter, retries,              "streams sent again, to a pod that had provably not begun")                      \
  X(Counter, stale_retries,        "streams sent again: the pod closed an idle HTTP/1.1 connection under them")     \
  X(Counter, stale_losses,         "streams that failed so: not idempotent, or not kept")                            \
  X(Counter, retries_exhausted,    "streams that failed after the last allowed try")                                \
  X(Counter, policy_retries,       "streams sent again by their service's retry policy")                            \
  X(Counter, retry_budget_refusals, "streams not sent again: the retry budget was spent")                           \
  X(Counter, retry_pushbacks,      "streams not sent again: the pod said so")                                       \
  X(Counter, try_timeouts,         "tries ended at per_try_timeout")                                                \
  X(Counter, queue_overflows,      "streams that failed: too many waited")                                          \
  X(Counter, queue_timeouts,       "streams that failed: waited too long")                                          \
  X(Counter, deadlines,            "streams ended at their grpc-timeout")                                           \
  X(Counter, call_timeouts,        "streams ended at timeout")                                                      \
  X(Counter, stream_idle_timeouts, "streams ended at stream_idle_timeout")                                          \
  X(Counter, stream_ages,          "streams ended at max_stream_age")                                               \
  X(Counter, client_idle_goaways,  "client connections moved away at client_idle_timeout")                          \
  X(Counter, client_age_goaways,   "client connections moved away at max_connection_age")                           \
  X(Counter, client_count_goaways, "client connections moved away at max_connection_streams")                       \
  X(Counter, pod_reset_budgets,    "pod connections relieved after too many cancellations")                         \
  X(Counter, pod_reset_limits,     "pods that ended a connection over RST_STREAM: they get half as many")           \
  X(Counter, isolated_clients,     "clients that cancel too often for a pod that others use")                       \
  X(Counter, throttled_streams,    "streams of such clients that had to wait for that")                             \
  X(Counter, window_waits,         "streams that waited for a connection with a window")                            \
  X(Counter, window_connections,   "pod connections opened: those there had no window left")                        \
  X(Counter, place_shares,         "streams ended: others waited, and their client had most places")                \
  X(Counter, place_share_waits,    "streams that waited, since their client had its share of places")               \
  X(Counter, queue_shares,         "streams that no longer waited: their client had most that did")                 \
  X(Counter, pod_header_limits,    "streams that failed: more fields than their pod takes")                         \
  X(Counter, suspect_tries,        "streams that a pod's GOAWAY with an error moved to a connection of their own")  \
  X(Counter, suspects_failed,      "of these, streams that failed: that was lost, too")                             \
  X(Counter, pod_pings,            "PING sent to pods")                                                             \
  X(Counter, pod_ping_timeouts,    "pod connections lost: no answer to PING")                                       \
  X(Counter, too_many_pings,       "pods that punished our PING, which now come half as often")                     \
  X(Counter, no_pod,               "streams that failed: no endpoint, or none reachable")                           \
  X(Counter, pods_lost,            "streams that failed: their pod was lost")                                       \
  X(Counter, guard_memory,         "connections reset: held the most while memory was short")                       \
  X(Counter, guard_leftovers,      "calls cut short: their client left too many behind")                            \
  X(Counter, guard_stream_ids,     "connections moved away: most of their stream ids were skipped")                 \
  X(Counter, guard_discarded,      "connections reset: sent on and on behind GOAWAY and FIN, or FIN of HTTP/1.1")   \
  X(Counter, guard_closing,        "connections reset: took nothing of their end, GOAWAY and FIN")
// clang-format on

struct Relay {
  SLUICE_STATS_TABLE(SLUICE_RELAY_STATS)
};

}  // namespace sluice::stats
