#pragma once
// Timeouts and limits: the numbers of a configuration that may change while Sluice runs. New
// connections and streams use the new numbers. The comments give the reasons for the defaults.

#include <cstdint>

#include "base/chrono.h"

namespace sluice::config {

// [timeouts]
struct Timeouts {
  // A connect to a pod, in all. Pods are near, so there is time for one retransmitted SYN.
  Duration connect = 1s;
  // How long a stream waits while its pods are IDLE or CONNECTING. Longer than the gap of a
  // rollout, and shorter than people wait.
  Duration queue = 5s;
  // A whole call, from its HEADERS to its end; 0 for none. No default suits all, since streams may
  // live for days. A grpc-timeout applies as well: the earlier of the two ends the call.
  Duration call{};
  // How long a stream may have no DATA in either direction; 0 for none, since a watch may be silent
  // for hours.
  Duration stream_idle{};
  // A stream of this age ends as UNAVAILABLE, so that long streams move to other pods; 0 for none.
  Duration max_stream_age{};
  // A client's connection without streams for this long is closed by GOAWAY; 0 for none, since
  // gRPC's channels are meant to stay.
  Duration client_idle{};
  // A connection to an HTTP/1.1 pod that carries no request for this long is closed, while the pod
  // has another one. Below the 5 s after which Node and Apache close it.
  Duration pod_idle = 4s;
  // A relayed connection on which no byte moves for this long is reset; 0 for none. An hour, as in
  // Envoy: longer than the pauses of databases' pools, and it frees what clients left behind.
  Duration relay_idle = 1h;
  // A client's connection of this age is closed by GOAWAY, too; 0 for none. Give or take 10 %, so
  // that clients do not all return at once.
  Duration max_connection_age{};
  // How long the streams of such a connection may go on after the GOAWAY; 0 for no end.
  Duration max_connection_age_grace{};
  // After SIGTERM: how long new connections are still accepted, while routers and load balancers in
  // front learn of the shutdown.
  Duration drain_announce = 0s;
  // After drain_announce: how long streams may go on. Within Kubernetes' grace period of 30 s.
  Duration drain = 10s;
  // How long a closed four-tuple stays known (RFC 9293, 3.4.2 says 2 MSL).
  Duration time_wait = 60s;
  // The connection of a peer that acknowledges nothing for this long ends (RFC 5482).
  Duration tcp_user = 60s;
  // Silence before the first keepalive probe; 0 for none. NATs forget idle flows after minutes.
  Duration tcp_keepalive = 120s;

  bool operator==(const Timeouts&) const = default;
};

// [limits]
struct Limits {
  uint32_t queued_streams = 1'024;  // streams that wait for a pod, of one service on one worker
  // Bytes of heap on one worker that calls may use: for their fields in both directions, small
  // bodies and their own state. About 40,000 ordinary calls at once. An address gets no more than
  // it leaves free.
  uint64_t calls_heap = 134'217'728;
  // The part of calls_heap for one client's connection: all 128 streams that it may have with 64
  // KiB each, or a thousand ordinary ones where concurrent_streams is larger.
  uint64_t client_heap = 8'388'608;

  // Clients' connections of one address (of a /64 of IPv6) to one worker; 0 for no limit, since all
  // clients behind a NAT or another load balancer have one address.
  uint32_t connections_per_address = 0;

  // Per connection, TCP.
  uint32_t receive_buffer = 262'144;        // bytes of window at the start
  uint32_t receive_buffer_max = 4'194'304;  // bytes of window after auto-tuning
  uint32_t send_buffer = 1'048'576;         // bytes queued before the producer has to wait
  uint32_t send_buffer_max = 16'777'216;    // the same on long paths, while memory is plentiful

  // Per connection, HTTP/2.
  uint32_t concurrent_streams = 128;  // streams that a client may have open
  // Streams of a client's connection in all; then GOAWAY closes it. Stream ids end at 2^30 streams;
  // this leaves room for streams that are on their way.
  uint32_t max_connection_streams = 1'000'000'000;
  // The same on a connection to a pod: another connection takes its place.
  uint32_t max_pod_connection_streams = 1'000'000'000;
  uint32_t stream_window = 65'536;  // bytes ahead on one stream: the memory of one stalled stream
  // Bytes ahead on a stream that proved fast: 4 MiB in a round trip of 100 ms are 40 MB/s.
  uint32_t stream_window_max = 4'194'304;
  uint32_t connection_window = 1'048'576;  // bytes ahead on a connection, at first
  uint32_t frame_size = 16'384;            // bytes of payload accepted in one frame
  uint32_t header_list_size = 16'384;      // bytes of a field section, as RFC 9113, 10.5.1 counts
  uint32_t header_table_size = 4'096;      // bytes of HPACK's dynamic tables
  uint32_t pod_connection_streams = 100;   // streams on a connection before another is opened
  // Workers that connect to one pod, with at least one connection each; 0 for all. More connections
  // carry no more calls, and each costs the pod memory.
  uint32_t connections_per_pod = 16;

  // Connections of one worker to one pod of HTTP/1.1, which carry a request each.
  uint32_t http1_pod_connections = 256;

  // Per stream.
  uint32_t transparent_retries = 5;  // attempts after the first, when pods provably did nothing
  uint32_t replay_buffer = 65'536;   // bytes of a request that are kept for another attempt

  bool operator==(const Limits&) const = default;
};

}  // namespace sluice::config
