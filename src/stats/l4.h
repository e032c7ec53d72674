#pragma once
// The counters of L4 listeners, per worker.

#include "stats/table.h"

namespace sluice::stats {

// clang-format off
#define SLUICE_L4_STATS(X)                                                                        \
  X(Counter, to_pods, "packets forwarded from clients to pods")                                    \
  X(Counter, to_clients, "packets forwarded from pods to clients")                                 \
  X(Counter, flows_begun, "flows begun")                                                           \
  X(Gauge,   flows, "flows now")                                                                   \
  X(Gauge,   half_open, "TCP flows now whose handshake is not over")                               \
  X(Counter, flushed, "flows ended early, since their pod left or was flushed")                    \
  X(Counter, expired, "flows forgotten: silent for longer than the timeout of their state")        \
  X(Counter, evicted_half_open, "flows forgotten early, whose client had proved nothing: the table or the ports were full") \
  X(Counter, evicted, "other flows forgotten early: the table or the ports were full")                           \
  X(Counter, refused_full, "new flows refused: the table was full of flows in use")                \
  X(Counter, refused_ports, "new flows refused: no source port toward the pod was free")           \
  X(Counter, refused_rate, "new flows refused: more than new_flows of the listener")               \
  X(Counter, refused_source, "new flows refused: more than new_flows_per_source of the listener")  \
  X(Counter, refused_no_pod, "new flows refused: the service has no pod of the listener's family") \
  X(Counter, fragments, "fragments forwarded behind their first one")                              \
  X(Counter, fragments_dropped, "fragments dropped: their first one had not come, was forgotten, or would have changed the version of IP") \
  X(Counter, no_flow, "packets that belong to no flow and may not begin one")                      \
  X(Counter, malformed, "packets whose transport header is not whole")                             \
  X(Counter, bad_checksum, "packets dropped: their transport checksum was wrong")                  \
  X(Counter, ttl_expired, "packets dropped: their TTL or hop limit ended here")                    \
  X(Counter, too_long, "packets dropped: longer than the MTU of the port that they leave by")      \
  X(Counter, errors_translated, "ICMP errors about packets of a flow, passed on to the flow's other end") \
  X(Counter, errors_dropped, "ICMP errors about packets of a flow that mean nothing to the other end, or would hurt other clients") \
  X(Counter, errors_sent, "ICMP errors sent: a packet was too long, or its TTL or hop limit ended here") \
  X(Counter, errors_limited, "ICMP errors not sent: more than 1,000 of a kind in a second")                     \
  X(Counter, unsent, "packets dropped: no route, no neighbour, no buffer or no descriptor")
// clang-format on

struct L4 {
  SLUICE_STATS_TABLE(SLUICE_L4_STATS)
};

}  // namespace sluice::stats
