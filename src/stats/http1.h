#pragma once
// The counters of HTTP/1.1, per worker: requests, what was refused, and the guards of a connection.

#include "stats/table.h"

namespace sluice::stats {

// clang-format off
#define SLUICE_HTTP1_STATS(X)                                                                                     \
  X(Counter, requests,         "requests of clients")                                                             \
  X(Counter, tunnels,          "Upgrades to WebSocket and CONNECTs that were answered with success, on either side") \
  X(Counter, bad_requests,     "requests answered with 400: RFC 9112 forbids them, or two readers may differ")     \
  X(Counter, connects_refused, "requests to CONNECT answered with 501")                                           \
  X(Counter, versions_refused, "requests answered with 505: an HTTP version that is not 1")                       \
  X(Counter, half_closed_cancels, "calls cancelled: the client had ended its side, and nothing of the answer came for half_closed_timeout") \
  X(Counter, answers_cut,      "connections ended within an answer, so that the client sees that it is cut")      \
  X(Counter, trailers_dropped, "fields of trailers whose message had a Content-Length, or was HTTP/1.0's")        \
  X(Counter, memory_refusals,  "messages cut for want of packet memory")                                          \
  X(Counter, broken_answers,   "pod connections ended: an answer that RFC 9112 forbids")                          \
  X(Counter, unasked_bytes,    "pod connections ended: bytes that no request asked for")                          \
  X(Counter, early_answers,    "pod connections ended: answered before the end of the request's body")            \
  X(Counter, guard_head_size,  "connections ended: a head or trailers larger than header_list_size")              \
  X(Counter, guard_no_request, "connections ended: no request in time")                                           \
  X(Counter, guard_slow_head,  "connections ended: a head or trailers not complete in time")                      \
  X(Counter, guard_slow_body,  "connections ended: nothing of a body that is not whole")                          \
  X(Counter, guard_slow_read,  "connections reset: took nothing of what waits for them")                          \
  X(Counter, guard_body_rate,  "connections ended: a body slower than min_rate")                                  \
  X(Counter, guard_read_rate,  "connections reset: read an answer more slowly than min_rate")                     \
  X(Counter, guard_tiny_chunks, "connections ended: too many chunks of a few bytes")                              \
  X(Counter, pipelined_waits,  "times that requests of a client began to wait behind an answer")
// clang-format on

struct Http1 {
  SLUICE_STATS_TABLE(SLUICE_HTTP1_STATS)
};

}  // namespace sluice::stats
