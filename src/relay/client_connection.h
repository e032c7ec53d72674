#pragma once
// A client's connection: a byte stream below, HTTP as its server, calls above.

#include "base/list.h"
#include "base/timer_wheel.h"
#include "http/handler.h"
#include "relay/context.h"
#include "relay/forwarding.h"
#include "transport/stream.h"
#include "upstream/client_side.h"
#include "upstream/reset_budget.h"

namespace sluice::relay {

class Listener;

class ClientConnection final : public transport::User,
                               public http::Handler,
                               public upstream::ClientSide,
                               public upstream::Flushable,
                               public ListHook<ClientConnection> {
 public:
  // Owned by the context's slab; destroys itself in on_closed.
  ClientConnection(Context& context, Listener& listener, transport::StreamPtr stream);
  ~ClientConnection();

  http::Connection& http() { return *http_; }

  // Moves the client away without losing a call: GOAWAY(2^31-1) and a PING, after the PING's ACK
  // (or kDrainPing) GOAWAY with the last accepted stream (RFC 9113, 6.8); the connection closes
  // when its streams have ended.
  void drain();
  // Out of patience: what is left gets UNAVAILABLE or RST_STREAM, and the connection closes; where
  // the client does not take that within kLastWords, by a reset.
  void end();

  // What is kept for the client's sake: what it has not taken, what its calls' pods have not taken,
  // what it sent ahead of a gap, what is kept for another try, and what its calls are. Buffers
  // count whole, however few bytes are in them.
  Holder& holder() { return holder_; }
  // Lets it see what TCP has got rid of.
  void look() {
    holder_.look(stream_->acknowledged(), stream_->output().end(), stream_->buffers(),
                 stream_->buffers_ahead());
  }
  // One more request; it may be the last that the connection takes (client_life.cc).
  void count_stream();
  // nullptr when pods are told nothing of the client.
  const Forwarding* forwarding() const { return forwarding_.get(); }
  // A call of its that was refused: too much heap is kept for its sake.
  void on_heap_refusal();
  Endpoint peer() const override { return stream_->peer(); }
  uint64_t id() const override { return id_; }
  // Where it comes from (relay/address_key.h).
  uint64_t address() const { return holder_.address().key; }
  // A client's share of what a connection to a pod may do is a fifth.
  bool take_pod_reset() override {
    return pod_resets_.take(upstream::ResetRate::of(context_.guards.pod_resets, 5), context_.now);
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
  static constexpr uint64_t kDrainOpaque = 0x736c756963650001;  // tells our PING from others

  enum class Drain : uint8_t { kNo, kAnnounced, kFinal, kEnding };

  void on_established(transport::Stream& s) override;
  void on_data(transport::Stream& s, buf::Slice data) override;
  void on_gap(transport::Stream& s) override;
  void on_end_of_data(transport::Stream& s, transport::End end) override;
  void on_writable(transport::Stream& s) override;
  bool busy(const transport::Stream&) const override { return http_->open_streams() > 0; }
  void on_closed(transport::Stream& s, transport::CloseReason reason) override;

  void on_headers(http::Stream& s, Section section, http::FieldList& fields, bool end) override;
  void on_data(http::Stream& s, buf::Slice data, bool end) override;
  void on_sent(http::Stream& s, uint32_t n) override;
  void on_reset(http::Stream& s, http::EndReason code, http::EndedBy by) override;
  void on_closed(http::Stream& s) override;
  void on_goaway(const http::Goaway& goaway) override;
  void on_settings() override {}
  void on_ping_ack(uint64_t opaque) override;
  void on_guard(const char* guard, const char* what) override;
  Duration round_trip() const override { return stream_->round_trip(); }

  void on_drain_timer();
  // What is left after drain_timeout gets what end() says.
  void let_calls_end();
  void say_final_goaway();
  // client_life.cc
  void begin_life();
  void on_life_timer();
  void on_idle();
  void watch();
  // Why HTTP/2 ends the connection goes to the log.
  void report();

  Context& context_;
  Listener& listener_;
  const transport::StreamPtr stream_;
  Holder& holder_;
  Drain drain_ = Drain::kNo;
  bool peer_ended_ = false;  // the client's FIN
  bool closing_ = false;     // our FIN is queued
  uint64_t discarded_ = 0;   // bytes behind our FIN
  bool evicted_ = false;     // what it held is free, or about to be
  bool heap_noted_ = false;  // the log has heard of on_heap_refusal()
  Timer drain_timer_;
  Timer life_timer_;  // idleness, age and grace: the earliest of them, or before it
  bool idle_ = true;  // no streams
  Time idle_since_;
  Time age_ends_ = kNever;
  Time grace_ends_ = kNever;
  uint32_t streams_begun_ = 0;
  Timer watch_timer_;  // armed while something waits for the client, or its TCP holds something
  const uint64_t id_;
  upstream::ResetBudget pod_resets_;
  std::unique_ptr<Forwarding> forwarding_;  // may be nullptr
  // Leaves after the HTTP/2 connection has given back what was charged, and what of its address's
  // allowance it did not use.
  struct LeaveHolders {
    void operator()(Holder* h) const { h->leave(); }
  };
  const std::unique_ptr<Holder, LeaveHolders> leave_;
  const http::ConnectionPtr http_;
};

}  // namespace sluice::relay
