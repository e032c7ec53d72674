#pragma once
// The counters of connections whose bytes are relayed (listeners with mode = "relay" or
// protocol = "tls"), per worker.

#include "stats/table.h"

namespace sluice::stats {

// clang-format off
#define SLUICE_SPLICE_STATS(X)                                                                     \
  X(Gauge,   open, "relayed connections now")                                                       \
  X(Counter, begun, "relayed connections begun: clients accepted")                                  \
  X(Counter, bytes_to_pods, "bytes relayed from clients to pods")                                   \
  X(Counter, bytes_to_clients, "bytes relayed from pods to clients")                                \
  X(Counter, connect_retries, "connects to another pod, since one had failed")                      \
  X(Counter, ended_finished, "ended by FIN of both sides")                                          \
  X(Counter, ended_client_reset, "ended by the client's RST")                                       \
  X(Counter, ended_pod_reset, "ended by the pod's RST")                                             \
  X(Counter, ended_client_lost, "ended: the client did not answer")                                 \
  X(Counter, ended_pod_lost, "ended: the pod did not answer")                                       \
  X(Counter, ended_truncated, "ended: the client's FIN without TLS's close_notify")                 \
  X(Counter, ended_idle, "ended: no byte moved for relay_idle_timeout")                             \
  X(Counter, ended_drain, "ended: drain_timeout was over")                                          \
  X(Counter, refused_no_pod, "ended: the service has no pod")                                       \
  X(Counter, refused_unreachable, "ended: no pod took the connection")                              \
  X(Counter, refused_name, "ended: no route has the server name")                                   \
  X(Counter, refused_hello, "ended: the first bytes are no ClientHello")                            \
  X(Counter, refused_handshake, "ended: the TLS handshake failed; the counters of TLS have the reason") \
  X(Counter, guard_hello_timeout, "ended: no whole ClientHello within handshake_timeout")           \
  X(Counter, guard_hello_size, "ended: a ClientHello longer than handshake_size")                       \
  X(Counter, guard_memory, "ended: kept the most while memory was short, or found none")
// clang-format on

struct Splice {
  SLUICE_STATS_TABLE(SLUICE_SPLICE_STATS)
};

}  // namespace sluice::stats
