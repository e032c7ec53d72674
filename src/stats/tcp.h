#pragma once
// The counters of TCP, per worker.

#include "stats/table.h"

namespace sluice::stats {

// clang-format off
#define SLUICE_TCP_STATS(X)                                                                       \
  X(Gauge, connections, "connections now, without half-open and TIME_WAIT ones")                  \
  X(Gauge, half_open, "handshakes under way now")                                                 \
  X(Gauge, time_wait, "closed four-tuples remembered now")                                        \
  X(Counter, segments_in, "segments received")                                                    \
  X(Counter, segments_out, "segments sent, those of a TSO burst counted one by one")              \
  X(Counter, bytes_in, "payload bytes delivered in order")                                        \
  X(Counter, bytes_out, "payload bytes sent for the first time")                                  \
  X(Counter, malformed, "segments with an impossible header")                                     \
  X(Counter, no_connection, "segments for no connection or listener")                             \
  X(Counter, resets_in, "connections ended by a reset from the peer")                             \
  X(Counter, resets_ignored, "resets outside of the receive window (RFC 5961, 3)")                \
  X(Counter, resets_out, "resets sent")                                                           \
  X(Counter, accepted, "passive opens completed")                                                 \
  X(Counter, tiny_mss, "peers whose MSS is below min_mss")                                        \
  X(Counter, refused, "passive opens the owner or a limit refused")                               \
  X(Counter, address_limited, "passive opens over connections_per_address")                       \
  X(Counter, connections_evicted, "clients' connections reset: the table was full")               \
  X(Counter, connect_started, "active opens")                                                     \
  X(Counter, connect_established, "active opens completed")                                       \
  X(Counter, connect_again, "active opens that met the connection before and asked again at once") \
  X(Counter, connect_failed, "active opens that ended before they were established")              \
  X(Counter, timeouts, "connections ended because the peer stopped answering")                    \
  X(Counter, closing_expired, "closed connections reset: the peer did not take what was queued")  \
  X(Counter, half_open_overflow, "SYNs that found the half-open table full")                      \
  X(Counter, half_open_expired, "handshakes whose last ACK never came")                           \
  X(Counter, cookies_sent, "SYN-ACKs that carry a cookie")                                        \
  X(Counter, cookies_accepted, "connections made from a cookie")                                  \
  X(Counter, cookies_bad, "ACKs to a listener without a valid cookie")                            \
  X(Counter, retransmits, "segments sent again")                                                  \
  X(Counter, fast_recoveries, "loss episodes found by SACK, RACK or duplicate ACKs")              \
  X(Counter, rto, "retransmission timeouts")                                                      \
  X(Counter, spurious_rto, "retransmission timeouts found needless (F-RTO, D-SACK)")              \
  X(Counter, spurious_recoveries, "loss episodes found needless and undone")                      \
  X(Counter, tail_probes, "tail loss probes sent")                                                \
  X(Counter, needless_tail_probes, "tail loss probes of what had arrived (D-SACK)")               \
  X(Counter, window_probes, "zero-window probes sent")                                            \
  X(Counter, tiny_windows, "segments forced into a window too small to be worth one")             \
  X(Counter, keepalive_probes, "keepalive probes sent")                                           \
  X(Counter, duplicate_data, "segments whose data had all arrived before")                        \
  X(Counter, out_of_order, "segments kept ahead of a gap")                                        \
  X(Counter, out_of_order_dropped, "segments ahead of a gap beyond the limits")                   \
  X(Counter, out_of_order_expired, "runs of data ahead of a gap that did not close in time")      \
  X(Counter, out_of_order_shed, "connections whose data ahead of a gap went: memory was short")   \
  X(Counter, out_of_window, "segments outside of the receive window")                             \
  X(Counter, memory_drops, "segments dropped for want of packet memory")                          \
  X(Counter, send_starved, "sends put off: no buffer, descriptor or segment record")              \
  X(Counter, paws_drops, "segments older than the last timestamp (RFC 7323, 5)")                  \
  X(Counter, no_timestamp, "segments without the agreed timestamp option, taken all the same")     \
  X(Counter, bad_acks, "ACKs of data never sent or long gone (RFC 5961, 5)")                      \
  X(Counter, bad_sacks, "SACK blocks outside of what was sent")                                   \
  X(Counter, sack_walks_cut, "ACKs whose SACK blocks were too far apart to look for all of them") \
  X(Counter, dsacks, "duplicates the peer reported (RFC 2883)")                                   \
  X(Counter, challenge_acks, "challenge ACKs sent (RFC 5961)")                                    \
  X(Counter, challenge_limited, "challenge ACKs not sent: over the rate")                         \
  X(Counter, sack_reneged, "peers that threw SACKed data away")                                   \
  X(Counter, time_wait_reused, "TIME_WAIT records replaced by a new connection (RFC 6191)")       \
  X(Counter, time_wait_evicted, "TIME_WAIT records dropped early: the table was full")            \
  X(Counter, port_exhausted, "active opens that found no free source port")                       \
  X(Counter, path_mtu_lowered, "connections that learned of a smaller path MTU")                  \
  X(Counter, path_mtu_black_holes, "paths found to drop long segments without a word (RFC 4821)") \
  X(Counter, path_mtu_probes, "longer segments sent to see whether the path takes them")          \
  X(Counter, path_mtu_raised, "such probes that arrived")                                         \
  X(Counter, icmp_ignored, "ICMP errors that match no segment in flight")                         \
  X(Counter, ecn_marks_in, "segments received with a congestion mark")                            \
  X(Counter, ecn_reductions, "window reductions after an ECN echo")
// clang-format on

struct Tcp {
  SLUICE_STATS_TABLE(SLUICE_TCP_STATS)
};

}  // namespace sluice::stats
