#pragma once
// The relay of one worker: joins clients' streams to pods' streams. What the rest of the worker
// sees of it.

#include <memory>
#include <span>
#include <vector>

#include "base/chrono.h"
#include "config/snapshot.h"
#include "ip/host.h"
#include "relay/context.h"
#include "relay/listener.h"
#include "relay/service.h"

namespace sluice::relay {

class Relay {
 public:
  // Everything referred to outlives the relay. The TCP stack must not call back after the relay's
  // end: destroy the relay last, or let no connection be left.
  struct Setup {
    tcp::Stack& tcp;
    transport::Layer& plain;  // over `tcp`
    http::Codec& http2;
    ip::Host& host;
    TimerWheel& wheel;
    buf::Memory& memory;
    std::span<stats::Worker* const> workers;
    size_t self;
    uint64_t seed;
    Time now;
  };
  explicit Relay(const Setup& setup);
  ~Relay();

  // The top of each turn.
  void set_now(Time now) { context_.now = now; }
  // Listeners, services, pods, limits. Does not keep the snapshot.
  void adopt(const config::Snapshot& snapshot);
  // The end of a turn, before the TCP stack's flush: frames what is due.
  void flush();

  // New connections are accepted for `announce` more; then clients are moved away by GOAWAY; what
  // is left `timeout` after that is ended.
  void begin_drain(Duration announce, Duration timeout);
  // No client is left.
  bool drained();

 private:
  void on_drain_timer();
  void relieve_memory();
  // Listeners that left and whose last client has gone. True when there were any.
  bool forget_listeners();
  // The addresses of all listeners: one that left still has clients, who could not be moved away
  // if nobody answered for their address.
  void set_vips();
  // True when the latest measures suffice for now.
  bool relieved(uint32_t free_before);
  // Half of the hold pool's reserve bears what a millisecond brings.
  static constexpr Duration kRelieveEvery = 1ms;
  // Buffers that a look frees at least, if it can: what a line of 1 Gbit/s brings in a millisecond,
  // and some.
  static constexpr uint32_t kRelieveBuffers = 128;
  // Connections that one look resets at most: the worst, and of those who take nothing more, since
  // each may hold little.
  static constexpr unsigned kVictims = 64;

  ip::Host& host_;
  Context context_;
  std::vector<std::unique_ptr<Service>> services_;
  std::vector<std::unique_ptr<Service>> retired_services_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<Listener>> retired_listeners_;
  enum class Drain : uint8_t { kNo, kAnnounced, kMoving, kEnding };
  Time relieve_at_{};
  Drain drain_ = Drain::kNo;
  Duration drain_timeout_{};
  Timer drain_timer_;
};

}  // namespace sluice::relay
