#pragma once
// Every limit and timeout of TCP, with its unit, default and reason.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/chrono.h"

namespace sluice::tcp {

struct Config {
  // Connections of one worker, both roles. Sizes the connection table once: 16 bytes each.
  size_t max_connections = 131'072;
  // Of max_connections, those that only active opens may take: with a table full of clients, pods
  // could not be connected to again. A sixteenth, and 64 where the table is small.
  size_t reserved_connections() const {
    return std::max(max_connections / 16, std::min<size_t>(max_connections / 4, 64));
  }
  // Accepted connections of one address (of a /64 of IPv6) at once; 0 for no limit, since a NAT or
  // another load balancer may stand in front.
  uint32_t connections_per_address = 0;
  // Handshakes waiting for their last ACK. Beyond it SYNs are answered with cookies, so a flood
  // costs no memory; a record is about 128 bytes.
  size_t max_half_open = 4'096;
  // TIME_WAIT records of one worker (about 100 bytes); the oldest goes early when it is full.
  size_t max_time_wait = 32'768;
  // How long a closed four-tuple stays known (RFC 9293 says 2 MSL = 4 min; like other stacks, one
  // minute, as segments do not live longer on today's paths).
  Duration time_wait = 60s;

  // RFC 6298, 2.1 and 2.4. The floor lies under what is added to the smoothed round trip, and
  // covers an ACK that the peer delays; one second would stall every tail loss in a data centre.
  Duration initial_rto = 1s;
  Duration min_rto = 200ms;
  Duration max_rto = 60s;

  // Active open: how long a connect may take in all. Pods are near: one that does not answer a SYN
  // within its first timeout is better tried anew later, and others meanwhile.
  Duration connect_timeout = 1s;
  // Passive open: SYN-ACK retransmissions (1, 2, 4 s apart) before a half-open record is forgotten.
  unsigned syn_ack_retries = 3;

  // Unacknowledged data (or window probe) for this long ends the connection (RFC 5482). Default of
  // new connections; Connection::set_user_timeout changes one.
  Duration user_timeout = 60s;
  // Silence from the peer before the first keepalive probe; 0 turns keepalive off (RFC 1122,
  // 4.2.3.6). Shorter than two hours since NATs forget idle flows after minutes.
  Duration keepalive_idle = 120s;
  Duration keepalive_interval = 15s;
  unsigned keepalive_probes = 4;
  // After close(): how long a peer may go without taking what is queued, FIN included. Each byte
  // that it takes gives it 1/closing_rate s of that back. Zero: for as long as it answers.
  Duration closing_timeout = 30s;
  unsigned closing_rate = 1024;  // bytes a second: slower than any line that carries HTTP/2
  // After our FIN was acknowledged: silence for this long ends the wait for the peer's. More than
  // two of the peer's longest retransmission timeouts, since it may still have data for us.
  Duration fin_wait_2 = 150s;

  // ACK every second full segment, or after this long (RFC 9293, 3.8.6.3 allows 500 ms).
  Duration delayed_ack = 40ms;
  // Full segments acknowledged at once at the start, while the peer is in slow start.
  unsigned quick_acks = 16;

  // Bytes of receive window: at the start, and at most after auto-tuning.
  uint32_t receive_buffer = 256 * 1024;
  uint32_t receive_buffer_max = 4 * 1024 * 1024;
  // Bytes queued in send_queue() before send_space() is zero, with any amount of memory and while
  // it is plentiful (Connection::send_limit). Soft limits. 16 MiB are 1.3 Gbit/s over 100 ms.
  uint32_t send_buffer = 1024 * 1024;
  uint32_t send_buffer_max = 16 * 1024 * 1024;
  // Islands of out-of-order data kept of one connection: as many gaps as 10 % loss makes in a
  // window of 4 MB.
  unsigned max_out_of_order_ranges = 256;
  // Of all packet buffers, the part that one connection's out-of-order data may hold: enough for
  // the largest window with the buffers that Sluice has by default. What is dropped beyond looks
  // like loss to the sender.
  unsigned max_out_of_order_share = 8;
  // Out-of-order data that waits so long for a gap to close is dropped, which RFC 2018, 8 permits:
  // the sender keeps it until it is acknowledged. By then five retransmissions have been lost.
  Duration out_of_order_age = 10s;

  // RFC 3168: offered and accepted. A mark is a loss that cost nothing.
  bool ecn = true;
  // No ICMP message lowers a path below this many bytes of TCP segment: RFC 1191, 3 would allow 68
  // byte packets, which only an attacker asks for.
  uint32_t min_path_segment = 532;
  // What is sent where longer segments vanish without an ICMP message: passes through any tunnel
  // over Ethernet, and through IPv6's smallest link (RFC 4821, 7.2).
  uint16_t base_path_segment = 1'044;
  // After a path was found narrow, a longer packet is tried this much later (RFC 1191, 6.3 and RFC
  // 8201, 4: ten minutes).
  Duration mtu_search_interval = 600s;

  // A window's data leaves spread over the round trip, where that is longer than a millisecond.
  bool pacing = true;

  // RFC 6928.
  unsigned initial_window = 10;  // segments
  // Smallest MSS believed from a peer: smaller ones make us send headers instead of data.
  uint16_t min_mss = 88;

  // RFC 5961, 7: challenge ACKs a second over all connections of a worker; each second has a number
  // of its own, from half as many to half as many again.
  unsigned challenge_acks = 200;
  // And for one connection, handshake or TIME-WAIT record one in so long.
  Duration challenge_interval = 500ms;

  // Source ports of active opens, both included.
  uint16_t first_ephemeral_port = 32'768;
  uint16_t last_ephemeral_port = 60'999;

  // RFC 7323, 2.3: the smallest shift that lets the largest receive window be told.
  uint8_t window_scale() const {
    uint8_t scale = 0;
    while (scale < 14 && (receive_buffer_max >> scale) > 0xffff) ++scale;
    return scale;
  }
};

}  // namespace sluice::tcp
