#pragma once
// A client's connection: TCP below, HTTP/2 as its server, calls above.

#include "base/list.h"
#include "base/timer_wheel.h"
#include "http2/connection.h"
#include "relay/context.h"
#include "relay/forwarding.h"
#include "relay/reset_budget.h"
#include "tcp/connection.h"
#include "tcp/user.h"

namespace sluice::relay {

class Listener;

class ClientConnection final : public tcp::User,
                               public http2::Handler,
                               public Flushable,
                               public ListHook<ClientConnection> {
 public:
  // Owned by the context's slab; destroys itself in on_closed.
  ClientConnection(Context& context, Listener& listener, tcp::Connection& tcp);
  ~ClientConnection();

  http2::Connection& http2() { return http2_; }

  // Moves the client away without losing a call: GOAWAY(2^31-1) and a PING, after the PING's ACK
  // (or kDrainPing) GOAWAY with the last accepted stream (RFC 9113, 6.8); the connection closes
  // when its streams have ended.
  void drain();
  // Out of patience: what is left gets UNAVAILABLE or RST_STREAM, and the connection closes; where
  // the client does not take that within kLastWords, by a reset.
  void end();

  // What is kept for the client's sake: what it has not taken, what its calls' pods have not taken,
  // what is kept for another try, and what its calls are. Buffers count whole, however few bytes
  // are in them.
  Holder& holder() { return holder_; }
  // Lets it see what TCP has got rid of.
  void look() { holder_.look(tcp_.send_queue()); }
  // A call of its that was refused: too much heap is kept for its sake.
  void on_heap_refusal();
  const Endpoint& peer() const { return tcp_.remote(); }
  // Never used again for another client.
  uint64_t id() const { return id_; }
  // Where it comes from (relay/address_key.h).
  uint64_t address() const { return address_; }
  // Takes one more RST_STREAM toward a pod for this client's sake. False when that is more than its
  // share of what a connection to a pod may do: a fifth.
  bool take_pod_reset() {
    return pod_resets_.take(ResetRate::of(context_.guards.pod_resets, 5), context_.now);
  }
  // Memory is short and this client is why: its connection is reset, and what it held is free.
  void evict();
  // Idleness, age and grace: the timer fires for the earliest (client_life.cc).
  void arm_life();
  // The client is gone or failed: its calls are cancelled at their pods.
  void abandon_streams();

  void flush() override;

 private:
  static constexpr Duration kDrainPing = 1s;  // for the ACK of a client that may be far away
  static constexpr Duration kLastWords = 1s;  // from end() to a reset: a round trip, and a loss
  // Bytes of what is left behind our FIN that a client takes within closing_timeout: less than any
  // line carries, and more than a client that only pretends to read will buy time with.
  static constexpr uint64_t kClosingProgress = 16'384;
  static constexpr uint64_t kDrainOpaque = 0x736c756963650001;  // tells our PING from others

  enum class Drain : uint8_t { kNo, kAnnounced, kFinal, kEnding };

  void on_established(tcp::Connection& c) override;
  void on_data(tcp::Connection& c, buf::Slice data) override;
  void on_end_of_data(tcp::Connection& c) override;
  void on_writable(tcp::Connection& c) override;
  bool busy(const tcp::Connection&) const override { return http2_.open_streams() > 0; }
  void on_closed(tcp::Connection& c, tcp::CloseReason reason) override;

  void on_headers(http2::Stream& s, Section section, http2::FieldList& fields, bool end) override;
  void on_data(http2::Stream& s, buf::Slice data, bool end) override;
  void on_sent(http2::Stream& s, uint32_t n) override;
  void on_reset(http2::Stream& s, http2::ErrorCode code, ResetBy by) override;
  void on_closed(http2::Stream& s) override;
  void on_goaway(uint32_t last_stream_id, http2::ErrorCode code, std::string_view debug) override;
  void on_settings() override {}
  void on_ping_ack(uint64_t opaque) override;
  void on_guard(const char* guard, const char* what) override;
  Duration round_trip() const override { return tcp_.smoothed_rtt(); }

  void on_drain_timer();
  // What is left after drain_timeout gets what end() says.
  void let_calls_end();
  void say_final_goaway();
  // client_life.cc
  void begin_life();
  void on_life_timer();
  void on_idle();
  void count_stream();
  void watch();
  void watch_closing();
  // Why HTTP/2 ends the connection goes to the log.
  void report();

  Context& context_;
  Listener& listener_;
  tcp::Connection& tcp_;
  Holder& holder_;
  Drain drain_ = Drain::kNo;
  bool peer_ended_ = false;     // the client's FIN
  bool closing_ = false;        // our FIN is queued
  uint64_t closing_taken_ = 0;  // output position that the client had taken at the last progress
  uint16_t closing_looks_ = 0;  // of watch() since then
  uint64_t discarded_ = 0;      // bytes behind our FIN
  bool evicted_ = false;        // what it held is free, or about to be
  bool heap_noted_ = false;     // the log has heard of on_heap_refusal()
  Timer drain_timer_;
  Timer life_timer_;  // idleness, age and grace: the earliest of them, or before it
  bool idle_ = true;  // no streams
  Time idle_since_;
  Time age_ends_ = kNever;
  Time grace_ends_ = kNever;
  uint32_t streams_begun_ = 0;
  Timer watch_timer_;  // armed while something waits for the client
  const uint64_t id_;
  const uint64_t address_;
  ResetBudget pod_resets_;
  std::unique_ptr<Forwarding> forwarding_;  // may be nullptr
  // Leaves after the HTTP/2 connection has given back what was charged.
  struct LeaveHolders {
    void operator()(Holder* h) const { h->leave(); }
  };
  const std::unique_ptr<Holder, LeaveHolders> leave_;
  // Goes after the HTTP/2 connection, which gives back what it did not use.
  struct LeaveAddress {
    AddressTable* table;
    void operator()(AddressTable::Entry* e) const { table->leave(*e); }
  };
  const std::unique_ptr<AddressTable::Entry, LeaveAddress> at_address_;
  http2::Connection http2_;
};

}  // namespace sluice::relay
