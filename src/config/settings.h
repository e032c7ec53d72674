#pragma once
// Timeouts and limits: the numbers of a configuration that may change while Sluice runs. New
// connections and streams obey the new ones; the field comments are the reasons for the defaults.

#include <cstdint>

#include "base/chrono.h"

namespace sluice::config {

// [timeouts]
struct Timeouts {
  // A connect to a pod in all. Pods are near: one retransmitted SYN at most.
  Duration connect = 1s;
  // How long a stream waits while its pods are IDLE or CONNECTING. Longer than a rollout's gap,
  // shorter than people wait.
  Duration queue = 5s;
  // A whole call, from its HEADERS to its end; 0 for none. An honest default does not exist:
  // streams may live for days. A grpc-timeout holds beside it, the earlier one ends the call.
  Duration call{};
  // No DATA either way on a stream for so long; 0 for none, since a watch may be silent for hours.
  Duration stream_idle{};
  // A stream of this age ends as UNAVAILABLE, so that long ones move to other pods; 0 for none.
  Duration max_stream_age{};
  // A client's connection without streams for so long is moved away by GOAWAY; 0 for none, since
  // gRPC's channels are meant to stay.
  Duration client_idle{};
  // So is one of this age, give or take 10 % so that clients do not all return at once; 0 for none.
  Duration max_connection_age{};
  // How long its streams may go on then; 0 for no end.
  Duration max_connection_age_grace{};
  // After SIGTERM: how long new connections are still accepted, while routers and load balancers
  // in front learn of the shutdown.
  Duration drain_announce = 0s;
  // After drain_announce: how long streams may go on. Within Kubernetes' grace period of 30 s.
  Duration drain = 10s;
  // How long a closed four-tuple stays known (RFC 9293, 3.4.2 says 2 MSL).
  Duration time_wait = 60s;
  // A peer that acknowledges nothing for this long is gone (RFC 5482).
  Duration tcp_user = 60s;
  // Silence before the first keepalive probe; 0 for none. NATs forget idle flows after minutes.
  Duration tcp_keepalive = 120s;

  bool operator==(const Timeouts&) const = default;
};

// [limits]
struct Limits {
  uint32_t queued_streams = 1'024;  // of one service on one worker, waiting for a pod
  // Bytes of heap on one worker for what calls keep: their fields, both ways, small bodies, their
  // own state. Some 40,000 calls of a usual kind at once; an address gets no more than it leaves.
  uint64_t calls_heap = 134'217'728;
  // Of this for one client's connection: all 128 streams that it may have, with 64 KiB each, or a
  // thousand ordinary ones where concurrent_streams is larger.
  uint64_t client_heap = 8'388'608;

  // Clients' connections of one address (of a /64 of IPv6) to one worker; 0 for no limit: behind a
  // NAT or another load balancer all have one address.
  uint32_t connections_per_address = 0;

  // Per connection, TCP.
  uint32_t receive_buffer = 262'144;        // bytes of window at first
  uint32_t receive_buffer_max = 4'194'304;  // bytes of window after auto-tuning
  uint32_t send_buffer = 1'048'576;         // bytes queued before the producer is held
  uint32_t send_buffer_max = 16'777'216;    // the same on long paths, while memory is plentiful

  // Per connection, HTTP/2.
  uint32_t concurrent_streams = 128;  // that a client may have open
  // On a client's connection in all, then it is moved away. Ids end at 2^30 streams; this leaves
  // those that were on their way room.
  uint32_t max_connection_streams = 1'000'000'000;
  // The same on a connection to a pod: another one takes its place.
  uint32_t max_pod_connection_streams = 1'000'000'000;
  uint32_t stream_window = 65'536;  // bytes ahead on one stream: what one stalled stream holds
  // Bytes ahead on a client's stream that proved fast: 4 MiB in a round trip of 100 ms are 40 MB/s.
  uint32_t stream_window_max = 4'194'304;
  uint32_t connection_window = 1'048'576;  // bytes ahead on a connection, at first
  uint32_t frame_size = 16'384;            // bytes of payload accepted in one frame
  uint32_t header_list_size = 16'384;      // bytes of a field section, as RFC 9113, 10.5.1 counts
  uint32_t header_table_size = 4'096;      // bytes of HPACK's dynamic tables
  uint32_t pod_connection_streams = 100;   // streams on one connection before another one is opened

  // Per stream.
  uint32_t transparent_retries = 5;  // tries after the first, on pods that provably did nothing
  uint32_t replay_buffer = 65'536;   // bytes of a request kept for another try

  bool operator==(const Limits&) const = default;
};

}  // namespace sluice::config
