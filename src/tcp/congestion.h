#pragma once
// The interface between TCP's loss recovery and a congestion controller. Recovery decides which
// segments are lost and when (RACK-TLP, PRR, RTO). A controller only answers how many bytes may be
// in flight. The controller is chosen at compile time: a connection holds it by value.

#include <concepts>
#include <cstdint>

#include "base/chrono.h"

namespace sluice::tcp {

// One ACK outside of recovery.
struct AckSample {
  Time now{};
  uint32_t delivered = 0;  // bytes newly acknowledged or SACKed by this ACK
  // The window, not the application, was the limit when data was last sent.
  bool window_used = false;
  Duration rtt{};  // zero: this ACK gave no measurement
  Duration smoothed_rtt{};
  uint64_t acknowledged = 0;  // snd_una after this ACK
  uint64_t sent = 0;          // snd_nxt
};

template <class C>
concept CongestionController = requires(C c, const C k, const AckSample& ack, Time now,
                                        uint32_t bytes) {
  // A new connection, or a new MSS. Sizes are in bytes.
  c.start(bytes, bytes);
  c.set_mss(bytes);
  c.on_ack(ack);
  // A loss episode begins (fast recovery or an ECN echo).
  c.on_congestion(now, bytes);
  // A retransmission timeout: everything in flight counts as lost.
  c.on_timeout(now, bytes);
  // The last on_congestion or on_timeout was spurious: the state before it comes back.
  c.undo();
  // Nothing was sent for longer than an RTO (RFC 5681, 4.1).
  c.on_idle(now, bytes);
  // Nothing is in flight, and nothing has moved for a while: memory that only growth needs goes.
  // undo() is not called for what was before.
  c.rest();
  { k.window() } -> std::same_as<uint32_t>;     // bytes
  { k.threshold() } -> std::same_as<uint32_t>;  // ssthresh, bytes
  { k.slow_start() } -> std::same_as<bool>;
};

}  // namespace sluice::tcp
