#pragma once
// A connection to a pod: a byte stream below it, HTTP in the client role, calls of many clients
// above it.

#include <memory>

#include "base/list.h"
#include "base/timer_wheel.h"
#include "http/handler.h"
#include "transport/stream.h"
#include "upstream/call_side.h"
#include "upstream/connecting.h"
#include "upstream/context.h"
#include "upstream/http2_state.h"

namespace sluice::upstream {

class Pool;

class PodConnection final : public transport::User,
                            public http::Handler,
                            public Flushable,
                            public ListHook<PodConnection> {
 public:
  // Owners of connections that do not belong to one client. Clients' ids are above kEverybody.
  static constexpr uint64_t kEverybody = 0;
  static constexpr uint64_t kOffenders = UINT64_MAX;     // shared by isolated clients
  static constexpr uint64_t kSuspects = UINT64_MAX - 1;  // one call (upstream/pool.h)

  // Owned by the context's slab. Destroys itself in on_closed, after it has told the pool. owner:
  // the client whose calls it carries, or one of the constants above.
  PodConnection(Context& context, Pool& pool, uint64_t owner);

  // Begins to connect. False when that is impossible now; the caller may then destroy the object.
  bool start();

  Pool& pool() { return pool_; }
  http::Connection& http() { return *http_; }
  // The pod's SETTINGS have arrived, and no GOAWAY: the connection takes streams.
  bool ready() const { return ready_ && !retired_; }
  bool connecting() const { return !ready_ && !retired_; }
  bool retired() const { return retired_; }
  // Its stream numbers or its RST_STREAM are used up: takes streams until another connection does.
  bool worn() const { return worn_; }
  // A retransmission timeout of TCP toward the pod has expired.
  bool silent() const { return silent_; }
  Time heard_at() const { return http_->received_at(); }
  // Why the connection takes no more streams, for the log; and whether that is normal operation of
  // a pod.
  const char* why() const { return why_; }
  bool routine() const { return routine_; }
  bool takes_stream() const { return open_ && http_->can_open(); }
  // Has room for the calls of a spare connection that ends: the pod answers, more than half of the
  // places for streams are free, and the send window is enough for each client. Looks at each
  // stream.
  bool may_stand_in();
  uint32_t streams() const { return http_->open_streams(); }
  // HTTP/1.1: the connection is about to carry a request.
  void leave_idle() { was_idle_ = context_.now - idle_since_ >= kIdle; }
  // The fields are within the pod's SETTINGS_MAX_HEADER_LIST_SIZE. The setting is only advice (RFC
  // 9113, 6.5.2), but some pods end the connection of a client that exceeds it.
  bool takes_fields(const http::FieldList& fields) const;
  // On a suspect's connection: its one call has proven harmless, and the connection retires.
  void acquit() {
    if (owner_ == kSuspects) retire();
  }
  uint64_t owner() const { return owner_; }
  // The connect, as ConnectTurns counts it.
  ConnectTurns::Flight& flight() { return connecting_->flight; }  // while connecting()
  // An id is never used again for another connection, and is not 0.
  uint64_t id() const { return id_; }
  // Takes one more stream of clients that cancel much. The limit is so low that the pod bears the
  // cancellation of all these streams.
  bool takes_isolated_stream() const;
  // Its RST_STREAM budget is used up, and at least `begin` has passed since the connection began.
  bool spent_since(Duration begin) const;

  // Sends RST_STREAM for a call that the pod works on. `client` is charged for it; nullptr: the
  // client has gone. Pods count RST_STREAM as attacks by a client (Netty allows 200 in 30 s), and
  // then close the connection under all its calls. So at most `pod_resets` leave on a connection,
  // whatever their reason; further ones wait. A connection on which some wait is replaced. While
  // more than half as many wait, the connection takes no new streams. The client that causes most
  // of them is isolated.
  void cancel(http::Stream& s, http::EndReason code, ClientSide* client = nullptr);

  // The connection speaks HTTP/1.1: one stream at a time.
  bool one_at_a_time() const { return http1_; }

  // Takes no new streams, and closes when the last stream has ended.
  void retire();
  // No other connection came to be: takes streams again, and sends more resets.
  void reopen();

  // The service's keys have changed: PINGs may be due.
  void arm_ping();

  void flush() override;

 private:
  // When data toward a pod stays unacknowledged for so long, the pod is gone. A node that reboots
  // answers nothing, and every call on it waits for this timeout.
  static constexpr Duration kUnacknowledged = 5s;

  // A connection of HTTP/2 that has had no stream for so long, and at most twice so long, ends
  // while another one may stand in for it.
  static constexpr Duration kSpare = 2min;

  // A connection of HTTP/1.1 without a request for so long may meet the pod's end for idle
  // connections. A pod that cannot serve ends a new connection sooner.
  static constexpr Duration kIdle = 100ms;

  static constexpr uint64_t kPingOpaque = 0x736c756963650002;

  void on_answer(transport::Stream&) override { answered(); }
  void on_established(transport::Stream& s) override;
  void on_data(transport::Stream& s, buf::Slice data) override;
  void on_end_of_data(transport::Stream& s, transport::End end) override;
  void on_writable(transport::Stream& s) override;
  void on_silence(transport::Stream& s, bool silent) override;
  void on_closed(transport::Stream& s, transport::CloseReason reason) override;

  void on_headers(http::Stream& s, Section section, http::FieldList& fields, bool end) override;
  void on_data(http::Stream& s, buf::Slice data, bool end) override;
  void on_sent(http::Stream& s, uint32_t n) override;
  void on_reset(http::Stream& s, http::EndReason code, http::EndedBy by) override;
  void on_closed(http::Stream& s) override;
  void on_goaway(const http::Goaway& goaway) override;
  void on_settings() override;
  void on_ping_ack(uint64_t opaque) override;
  bool may_reset() override;
  Duration round_trip() const override { return stream_->round_trip(); }
  void on_guard(const char* guard, const char* what) override;

  // The pod has answered the connect, or a step of its handshakes.
  void answered() {
    if (connecting_ != nullptr) connecting_->flight.on_answer(context_.now);
  }
  // Writes to the log why HTTP/2 or the pod ends the connection.
  void report(const char* guard, const char* what);
  void report_goaway(const http::Goaway& goaway);
  // Charges the client for one more RST_STREAM.
  void charge(ClientSide* client);
  // Sends those RST_STREAM that may leave. Marks the connection as worn when some have to wait.
  void settle_resets();
  // More RST_STREAM may leave.
  bool resets_left(const ResetRate& rate) const {
    return http2_ == nullptr || http2_->resets.left(rate, context_.now);
  }
  // The pod's GOAWAY says that there were too many RST_STREAM.
  bool blames_resets(const http::Goaway& goaway) const;
  // Streams that the pod's limit blocks move to another connection.
  void give_back();
  void on_ping_timer();
  // The connection of HTTP/1.1 carries no request from now on.
  void begin_idle();
  void on_idle_timer();
  // HTTP/2: looks whether there was no stream since the last look.
  void look_whether_spare();
  // The protocol has ended the connection in order.
  void follow_ending();
  // Ends all streams. True when HEADERS of a call that will be tried again are still queued.
  bool lose_streams();
  // Closes the connection now. Calls that are left are lost.
  void end(const char* why);
  const char* why_closed(transport::CloseReason reason) const;

  Context& context_;
  Pool& pool_;
  const uint64_t owner_;
  const uint64_t id_;
  const Time since_;
  transport::StreamPtr stream_;
  std::unique_ptr<Connecting> connecting_;   // until the connection takes calls
  const std::unique_ptr<Http2State> http2_;  // nullptr: the connection speaks HTTP/1.1
  const char* why_ = "";  // why the connection is ending or takes no more streams
  Time silent_since_{};
  const bool http1_;
  bool routine_ = false;  // why_ is normal operation
  bool established_ = false;
  bool silent_ = false;
  bool ready_ = false;
  bool retired_ = false;
  bool open_ = false;  // ready, not retired, and not waiting for its replacement
  bool closing_ = false;
  bool worn_ = false;
  // The log gets the pod's first GOAWAY, and the first one that names an error.
  enum class Goaway : uint8_t { kNone, kGraceful, kError } goaway_ = Goaway::kNone;
  bool accuses_ = false;  // a GOAWAY with an error that some call may have caused
  Timer idle_timer_;
  Time idle_since_{};
  bool was_idle_ = false;  // for kIdle or longer, before the present request
  http::ConnectionPtr http_;
};

}  // namespace sluice::upstream
