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
  // The part of max_connections that only active opens may take. Otherwise Sluice could not connect
  // to a pod again while clients fill the table. A sixteenth, and 64 where the table is small.
  size_t reserved_connections() const {
    return std::max(max_connections / 16, std::min<size_t>(max_connections / 4, 64));
  }
  // Accepted connections of one address (of a /64 of IPv6) at once, in all workers; 0 for no limit.
  // The default is 0, since a NAT or another load balancer may stand in front.
  uint32_t connections_per_address = 0;
  // Handshakes that wait for their last ACK. Beyond this number SYNs are answered with cookies, so
  // a flood costs no memory. A record is about 128 bytes.
  size_t max_half_open = 4'096;
  // TIME_WAIT records of one worker (about 100 bytes each); a full table drops its oldest early.
  size_t max_time_wait = 32'768;
  // How long a closed four-tuple stays known. RFC 9293 says 2 MSL = 4 min. One minute, as in other
  // stacks, since segments do not live longer on today's paths.
  Duration time_wait = 60s;

  // RFC 6298, 2.1 and 2.4. min_rto is a floor for what is added to the smoothed round trip. It
  // covers an ACK that the peer delays; one second would stall every tail loss in a data centre.
  Duration initial_rto = 1s;
  Duration min_rto = 200ms;
  Duration max_rto = 60s;

  // Active open: the time that a connect may take in all. Pods are near. A pod that does not answer
  // a SYN within the first timeout is better tried again later, and other pods meanwhile.
  Duration connect_timeout = 1s;
  // Passive open: SYN-ACK retransmissions (1, 2, 4 s apart) before a half-open record is forgotten.
  unsigned syn_ack_retries = 3;

  // The connection ends when data (or a window probe) is unacknowledged for this long (RFC 5482).
  // The default of new connections; Connection::set_user_timeout changes one connection.
  Duration user_timeout = 60s;
  // Silence from the peer before the first keepalive probe; 0 turns keepalive off (RFC 1122,
  // 4.2.3.6). The default is shorter than two hours, since NATs forget idle flows after minutes.
  Duration keepalive_idle = 120s;
  Duration keepalive_interval = 15s;
  unsigned keepalive_probes = 4;
  // After close(): how long a peer may go without taking what is queued, FIN included. Each byte
  // that the peer takes gives 1/closing_rate s back. Zero: as long as the peer answers.
  Duration closing_timeout = 30s;
  unsigned closing_rate = 1024;  // bytes a second: slower than any line that carries HTTP/2
  // After our FIN was acknowledged: a silence of this length ends the wait for the peer's FIN. The
  // default is more than two of the peer's longest retransmission timeouts, since the peer may
  // still have data for us.
  Duration fin_wait_2 = 150s;

  // ACK every second full segment, or after this long (RFC 9293, 3.8.6.3 allows 500 ms).
  Duration delayed_ack = 40ms;
  // Full segments that are acknowledged at once at the start, while the peer is in slow start.
  unsigned quick_acks = 16;

  // Bytes of receive window: at the start, and at most after auto-tuning.
  uint32_t receive_buffer = 256 * 1024;
  uint32_t receive_buffer_max = 4 * 1024 * 1024;
  // Bytes in send_queue() at which send_space() is zero: with any amount of memory, and while
  // memory is plentiful (Connection::send_limit). Soft limits. 16 MiB are 1.3 Gbit/s over 100 ms.
  uint32_t send_buffer = 1024 * 1024;
  uint32_t send_buffer_max = 16 * 1024 * 1024;
  // Islands of out-of-order data that one connection may keep: as many gaps as 10 % loss makes in a
  // window of 4 MB.
  unsigned max_out_of_order_ranges = 256;
  // The part of all packet buffers that the out-of-order data of one connection may use. It is
  // enough for the largest window with Sluice's default number of buffers. Data beyond it is
  // dropped, and looks like loss to the sender.
  unsigned max_out_of_order_share = 8;
  // Out-of-order data that waits this long for a gap to close is dropped (RFC 2018, 8 permits it:
  // the sender keeps the data until it is acknowledged). By then five retransmissions have been
  // lost.
  Duration out_of_order_age = 10s;

  // RFC 3168: ECN is offered and accepted. A mark reports congestion without a lost segment.
  bool ecn = true;
  // No ICMP message lowers a path below this many bytes of TCP segment. RFC 1191, 3 would allow
  // packets of 68 bytes, which only an attacker asks for.
  uint32_t min_path_segment = 532;
  // The size of segments where longer ones vanish without an ICMP message. It passes through any
  // tunnel over Ethernet, and through the smallest link of IPv6 (RFC 4821, 7.2).
  uint16_t base_path_segment = 1'044;
  // How long after a path was found narrow a longer packet is tried (RFC 1191, 6.3 and RFC 8201, 4:
  // ten minutes).
  Duration mtu_search_interval = 600s;

  // Pacing: a window's data leaves spread over the round trip, if that is longer than a
  // millisecond.
  bool pacing = true;

  // RFC 6928.
  unsigned initial_window = 10;  // segments
  // The smallest MSS that is believed from a peer. With a smaller one, most bytes would be headers.
  uint16_t min_mss = 88;

  // RFC 5961, 7: challenge ACKs a second, over all connections of all workers. The number differs
  // from second to second, between a half and one and a half of this.
  unsigned challenge_acks = 200;
  // The shortest time between two challenge ACKs of one connection, handshake or TIME-WAIT record.
  Duration challenge_interval = 500ms;

  // Source ports of active opens, both included.
  uint16_t first_ephemeral_port = 32'768;
  uint16_t last_ephemeral_port = 60'999;

  // RFC 7323, 2.3: the smallest shift that can express the largest receive window.
  uint8_t window_scale() const {
    uint8_t scale = 0;
    while (scale < 14 && (receive_buffer_max >> scale) > 0xffff) ++scale;
    return scale;
  }
};

}  // namespace sluice::tcp
