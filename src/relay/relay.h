#pragma once
// The relay of one worker: joins clients' streams to pods' streams. This is the interface to the
// rest of the worker.

#include <memory>
#include <span>
#include <vector>

#include "base/chrono.h"
#include "config/snapshot.h"
#include "ip/host.h"
#include "relay/context.h"
#include "relay/listener.h"
#include "relay/pod_parts.h"
#include "relay/service.h"

namespace sluice::relay {

class Relay {
 public:
  // Everything referred to outlives the relay. The TCP stack must not call back after the relay's
  // end: destroy the relay last, or when no connection is left.
  struct Setup {
    tcp::Stack& tcp;
    transport::Layer& plain;  // over `tcp`
    http::Codec& http1;
    http::Codec& http2;
    ip::Host& host;
    TimerWheel& wheel;
    buf::Memory& memory;
    std::span<stats::Worker* const> workers;
    size_t self;
    uint64_t seed;
    Time now;
    Process* process = nullptr;  // of all workers; nullptr: there is only this one
    const tls::TicketKeys* ticket_keys = nullptr;  // nullptr: TLS without tickets
    tls::HandshakeQueue* handshakes = nullptr;  // nullptr: the worker makes TLS handshakes itself
  };
  explicit Relay(const Setup& setup);
  ~Relay();

  // The top of each turn.
  void set_now(Time now) { context_.now = context_.tls.now = now; }
  // Once a turn: goes on with TLS handshakes that helper threads have worked on; their number.
  size_t collect_handshakes() { return context_.tls.collect(); }
  // Takes listeners, services, pods and limits from the snapshot. Does not keep the snapshot.
  void adopt(const config::Snapshot& snapshot);
  // As well, when the relay has adopted snapshot.difference->from.
  void adopt_difference(const config::Snapshot& snapshot);
  // The same in parts of a few pods: begin_difference(), then adopt_part() until it returns false.
  // Both snapshots live until then, and no other is adopted meanwhile.
  void begin_difference(const config::Snapshot& snapshot);
  bool adopt_part();
  // The state of the worker's TLS, for other users of it.
  tls::Context& tls() { return context_.tls; }
  // Addresses of listeners that are not the relay's. The host answers for them, too.
  void share_vips(std::vector<Address> others);
  // The end of a turn, before the TCP stack's flush: frames all output that is due.
  void flush();

  // Begins the drain. For `announce`, new connections are still accepted. Then clients are moved
  // away by GOAWAY. Calls that are left `timeout` after that are ended.
  void begin_drain(Duration announce, Duration timeout);
  // No client is left.
  bool drained();

 private:
  void adopt_services(const config::Snapshot& snapshot);
  // The service of this slot, if it has left and is still there; nullptr: it is not.
  std::unique_ptr<Service> take_back(const config::Service& config);
  void adopt_change(const config::PodChange& change);
  void on_drain_timer();
  void relieve_memory();
  // Destroys listeners that left the configuration, once their last client has gone. True when
  // there were any.
  bool forget_listeners();
  // Retires services that left the configuration, once no client can begin a call to them.
  void retire_services();
  static constexpr Duration kLeavingLook = 250ms;  // between two looks
  // Sets the addresses of all listeners, with those that left and still have clients: such a client
  // can be moved away only while its address answers.
  void set_vips();
  // True when dropping kept requests has freed enough for now.
  bool relieved(uint32_t free_before);
  // Half of the reserve of the hold pool takes the data that arrives in such a period.
  static constexpr Duration kRelieveEvery = 1ms;
  // Packet buffers that one look frees at least, if it can: a line of 1 Gbit/s brings fewer in a
  // millisecond.
  static constexpr uint32_t kRelieveBuffers = 128;
  // Most connections that one look resets: the worst one, and further ones only if they take
  // nothing any more, since each may keep little.
  static constexpr unsigned kVictims = 64;

  ip::Host& host_;
  Context context_;
  std::vector<std::unique_ptr<Service>> services_;
  std::vector<Service*> by_index_;  // as in the snapshot; nullptr: not the relay's
  std::vector<std::unique_ptr<Service>> leaving_services_;  // that clients may still call
  std::vector<std::unique_ptr<Service>> retired_services_;  // whose pods drain
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<Listener>> retired_listeners_;
  std::vector<Address> other_vips_;
  const config::Snapshot* adopting_ = nullptr;  // in parts
  PodParts parts_;
  const config::PodChange* begun_ = nullptr;  // of which some part is adopted
  enum class Drain : uint8_t { kNo, kAnnounced, kMoving, kEnding };
  Time relieve_at_{};
  Drain drain_ = Drain::kNo;
  Duration drain_timeout_{};
  Timer drain_timer_;
  Timer leaving_timer_;
};

}  // namespace sluice::relay
