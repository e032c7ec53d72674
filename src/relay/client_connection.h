#pragma once
// A client's connection: a byte stream below it, HTTP in the server role, calls above it.

#include <memory>
#include <optional>

#include "base/list.h"
#include "base/timer_wheel.h"
#include "http/handler.h"
#include "relay/client_leaving.h"
#include "relay/context.h"
#include "relay/first_bytes.h"
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
  const transport::Stream& stream() const { return *stream_; }

  // Moves the client away without losing a call. First come GOAWAY(2^31-1) and a PING. After the
  // PING's ACK, or after kDrainPing, comes GOAWAY with the last accepted stream (RFC 9113, 6.8).
  // The connection closes when its streams have ended. HTTP/1.1 says it in the next answer's head;
  // a connection without a request closes after kDrainPing.
  void drain();
  // Ends the connection when the drain has lasted too long. Calls that are left get UNAVAILABLE or
  // RST_STREAM, and the connection closes. It is reset when the client does not take all that
  // within kLastWords.
  void end();
  // why: static text, which the clients of the calls are told.
  void end(const char* why);

  // The client may begin another call. Behind the final GOAWAY, or a second after a client of
  // HTTP/1.1 might have heard of the drain, it may not.
  bool takes_calls() const { return !closing_ && drain_ <= Drain::kAnnounced; }

  // Memory kept for the client: output that the client has not taken, requests that pods have not
  // taken, data that arrived ahead of a gap, requests kept for another attempt, and the calls' own
  // objects. A packet buffer counts whole, however few bytes are in it.
  Holder& holder() { return *holder_; }
  // Updates holder() with the output that TCP has freed.
  void look() {
    holder_->look(stream_->acknowledged(), stream_->output().end(), stream_->buffers(),
                  stream_->buffers_ahead());
  }
  // Counts one more request. The request may be the last one that the connection takes
  // (client_life.cc).
  void count_stream();
  // Answers a request whose host has another handshake than this connection's: with 421, or with
  // 404 if no handshake for it succeeds. False: the request is in order.
  bool answer_misdirected(http::Stream& s, const http::FieldList& request, bool end);
  // Answers a request that is no call with `answer` and no body. end: the request has ended; then
  // the stream may be gone.
  void answer_alone(http::Stream& s, const http::FieldList& answer, bool end);
  // nullptr when the client speaks cleartext, and the listener tells pods nothing of it.
  const Forwarding* forwarding() const { return forwarding_.get(); }
  // A call of the client was refused, since too much heap is kept for the client.
  void on_heap_refusal();
  Endpoint peer() const override { return stream_->peer(); }
  uint64_t id() const override { return id_; }
  // The key of the client's address (relay/address_key.h).
  uint64_t address() const { return holder_->address().key; }
  // A client may cause a fifth of the RST_STREAM that a connection to a pod may send.
  bool take_pod_reset() override {
    return pod_resets_.take(upstream::ResetRate::of(context_.guards.pod_resets, 5), context_.now);
  }
  // Resets the connection, and frees all that it holds. why: for the access log.
  void evict(const char* why);
  // Arms the timer of idleness, age and grace for the earliest of them (client_life.cc).
  void arm_life();
  // The client is gone or has failed: cancels its calls at their pods. why: for the access log.
  void abandon_streams(const char* why);

  void flush() override;

 private:
  static constexpr Duration kDrainPing = 1s;  // wait for the PING's ACK; the client may be far away
  static constexpr Duration kLingerSilence = 5s;   // behind the last byte that was dropped
  static constexpr Duration kLinger = 30s;         // from the first byte that was dropped
  static constexpr Duration kLingerUnused = 150s;  // for a client that sends nothing
  static constexpr Duration kLastWords = 1s;  // from end() to a reset: one round trip, and one loss
  static constexpr uint64_t kDrainOpaque = 0x736c756963650001;  // tells our PING from others

  enum class Drain : uint8_t {
    kNo,
    kAnnounced,
    kFinal,
    kEnding,
    kLingering,  // behind our FIN to a client of HTTP/1.1, see begin_linger()
  };

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

  // Makes the connection of the version that the client's first bytes show. False while they do not
  // show it.
  bool choose_version(buf::Slice& data);
  // Made when the connection is first drained, ended or closed.
  ClientLeaving& leaving();
  void arm_drain(Duration wait);
  void on_drain_timer();
  // Ends the calls that are left after drain_timeout, as end() does.
  void let_calls_end();
  void say_final_goaway();
  // client_life.cc
  void begin_life();
  void on_life_timer();
  void on_idle();
  // Behind our FIN to a client of HTTP/1.1: the client may write the rest of its request before it
  // reads the answer (RFC 9112, 9.6). The rest is read and dropped, so that the client gets there.
  void begin_linger();
  void linger_on(uint32_t n);
  void on_linger_timer();
  void watch();
  // HTTP has failed: for the access log.
  const char* why_failed() const;
  // Writes to the log why HTTP/2 ends the connection.
  void report();

  Context& context_;
  Listener& listener_;
  const transport::StreamPtr stream_;
  // Leaves the holder last: after the HTTP connection has given back its charges, and the part of
  // its address's allowance that it did not use.
  struct LeaveHolders {
    void operator()(Holder* h) const { h->leave(); }
  };
  const std::unique_ptr<Holder, LeaveHolders> holder_;
  ClientLeaving* leaving_ = nullptr;  // of the context's slab; see leaving()
  Drain drain_ = Drain::kNo;
  bool peer_ended_ = false;  // the client's FIN
  bool closing_ = false;     // our FIN is queued
  bool evicted_ = false;     // its memory is free, or about to be
  bool heap_noted_ = false;  // on_heap_refusal() has been logged
  bool idle_ = true;         // no streams
  bool grace_ = false;       // the connection has reached its age
  // Where the listener takes both versions, HTTP/1.1's at first.
  std::optional<FirstBytes> first_bytes_;  // until the version is known
  uint32_t streams_begun_ = 0;
  Timer life_timer_;  // idleness, age and grace: armed for the earliest of them, or earlier
  Time idle_since_;
  Time age_ends_ = kNever;  // or, then, the grace
  Timer watch_timer_;       // armed while something waits for the client, or TCP keeps output
  const uint64_t id_;
  upstream::ResetBudget pod_resets_;
  std::unique_ptr<Forwarding> forwarding_;  // may be nullptr
  http::ConnectionPtr http_;
};

}  // namespace sluice::relay
