#pragma once
// What TCP counts. One writer, the worker; readers on other threads see each counter whole.

#include <atomic>
#include <cstdint>

namespace sluice::tcp {

class Counter {
 public:
  void add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  Counter& operator++() {
    add();
    return *this;
  }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// name, what it means.
#define SLUICE_TCP_COUNTERS(X)                                                     \
  X(segments_in, "segments received")                                              \
  X(segments_out, "segments sent, those of a TSO burst counted one by one")        \
  X(bytes_in, "payload bytes delivered in order")                                  \
  X(bytes_out, "payload bytes sent for the first time")                            \
  X(malformed, "segments with an impossible header")                               \
  X(no_connection, "segments for no connection or listener")                       \
  X(resets_in, "connections ended by a reset from the peer")                       \
  X(resets_out, "resets sent")                                                     \
  X(accepted, "passive opens completed")                                           \
  X(refused, "passive opens the owner or a limit refused")                         \
  X(connect_started, "active opens")                                               \
  X(connect_established, "active opens completed")                                 \
  X(connect_failed, "active opens that ended before they were established")        \
  X(timeouts, "connections ended because the peer stopped answering")              \
  X(half_open_overflow, "SYNs that found the half-open table full")                \
  X(half_open_expired, "handshakes whose last ACK never came")                     \
  X(cookies_sent, "SYN-ACKs that carry a cookie")                                  \
  X(cookies_accepted, "connections made from a cookie")                            \
  X(cookies_bad, "ACKs to a listener without a valid cookie")                      \
  X(retransmits, "segments sent again")                                            \
  X(fast_recoveries, "loss episodes found by SACK, RACK or duplicate ACKs")        \
  X(rto, "retransmission timeouts")                                                \
  X(spurious_rto, "retransmission timeouts found needless (F-RTO, D-SACK)")        \
  X(spurious_recoveries, "loss episodes found needless and undone")                \
  X(tail_probes, "tail loss probes sent")                                          \
  X(window_probes, "zero-window probes sent")                                      \
  X(keepalive_probes, "keepalive probes sent")                                     \
  X(duplicate_data, "segments whose data had all arrived before")                  \
  X(out_of_order, "segments kept ahead of a gap")                                  \
  X(out_of_order_dropped, "segments ahead of a gap beyond the limits")             \
  X(out_of_window, "segments outside of the receive window")                       \
  X(memory_drops, "segments dropped for want of packet memory")                    \
  X(send_starved, "sends put off: no buffer, descriptor or segment record")        \
  X(paws_drops, "segments older than the last timestamp (RFC 7323, 5)")            \
  X(no_timestamp, "segments without the agreed timestamp option")                  \
  X(bad_acks, "ACKs of data never sent or long gone (RFC 5961, 5)")                \
  X(bad_sacks, "SACK blocks outside of what was sent")                             \
  X(dsacks, "duplicates the peer reported (RFC 2883)")                             \
  X(challenge_acks, "challenge ACKs sent (RFC 5961)")                              \
  X(challenge_limited, "challenge ACKs not sent: over the rate")                   \
  X(sack_reneged, "peers that threw SACKed data away")                             \
  X(time_wait_reused, "TIME_WAIT records replaced by a new connection (RFC 6191)") \
  X(time_wait_evicted, "TIME_WAIT records dropped early: the table was full")      \
  X(port_exhausted, "active opens that found no free source port")                 \
  X(path_mtu_lowered, "connections that learned of a smaller path MTU")            \
  X(icmp_ignored, "ICMP errors that match no segment in flight")                   \
  X(ecn_marks_in, "segments received with a congestion mark")                      \
  X(ecn_reductions, "window reductions after an ECN echo")

struct Counters {
#define SLUICE_X(name, help) Counter name;
  SLUICE_TCP_COUNTERS(SLUICE_X)
#undef SLUICE_X

  // fn(name, help, value) for each.
  template <class Fn>
  void for_each(Fn&& fn) const {
#define SLUICE_X(name, help) fn(#name, help, name.get());
    SLUICE_TCP_COUNTERS(SLUICE_X)
#undef SLUICE_X
  }
};

}  // namespace sluice::tcp
