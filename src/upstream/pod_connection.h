#pragma once
// A connection to a pod: a byte stream below, HTTP as its client, calls of many clients above.

#include "base/list.h"
#include "base/timer_wheel.h"
#include "http/handler.h"
#include "transport/stream.h"
#include "upstream/call_side.h"
#include "upstream/context.h"
#include "upstream/reset_budget.h"

namespace sluice::upstream {

class Pool;

class PodConnection final : public transport::User,
                            public http::Handler,
                            public Flushable,
                            public ListHook<PodConnection> {
 public:
  // Owners of connections that no single client owns; ids of clients are above the first of them.
  static constexpr uint64_t kEverybody = 0;
  static constexpr uint64_t kOffenders = UINT64_MAX;     // isolated clients share it
  static constexpr uint64_t kSuspects = UINT64_MAX - 1;  // one call (upstream/pool.h)

  // Owned by the context's slab; destroys itself in on_closed, after the pool was told. owner: the
  // client whose calls it carries, or one of the above.
  PodConnection(Context& context, Pool& pool, uint64_t owner);

  // Begins to connect. False when that is impossible now; the object may then be destroyed.
  bool start();

  Pool& pool() { return pool_; }
  http::Connection& http() { return *http_; }
  // The pod's SETTINGS are here and no GOAWAY: takes streams.
  bool ready() const { return ready_ && !retired_; }
  bool connecting() const { return !ready_ && !retired_; }
  bool retired() const { return retired_; }
  // Has used up most of what it may do: takes streams until another connection does.
  bool worn() const { return worn_; }
  // The pod has let a retransmission timeout of TCP expire.
  bool silent() const { return silent_; }
  Time heard_at() const { return http_->received_at(); }
  // Why it takes no more streams, for the log; and whether pods do that in the course of a day.
  const char* why() const { return why_; }
  bool routine() const { return routine_; }
  bool takes_stream() const { return open_ && http_->can_open(); }
  uint32_t streams() const { return http_->open_streams(); }
  // Within the pod's SETTINGS_MAX_HEADER_LIST_SIZE. That only advises (RFC 9113, 6.5.2), but some
  // pods end the connection of whoever is over it.
  bool takes_fields(const http::FieldList& fields) const;
  // Kept for suspects: its one call is no reason to end a connection.
  void acquit() {
    if (owner_ == kSuspects) retire();
  }
  uint64_t owner() const { return owner_; }
  // Never used again for another connection; not 0.
  uint64_t id() const { return id_; }
  // For clients that cancel much: no more than the pod bears if they cancel all of it.
  bool takes_isolated_stream() const;
  // Has had its RST_STREAM, some time after it began.
  bool spent_since(Duration begin) const;

  // RST_STREAM for a call that the pod works on, for this client's sake (nullptr: nobody's who is
  // still there). Pods count them, as clients' attacks (Netty allows 200 in 30 s), and close the
  // connection under all its calls. So no more than `pod_resets` leave on a connection, whatever
  // they are for; the others wait. One where some have to is replaced, and where more than half as
  // many wait takes no new streams meanwhile. The client that causes most of them has to leave.
  void cancel(http::Stream& s, http::EndReason code, ClientSide* client = nullptr);

  // No new streams; closes when the last one has ended.
  void retire();
  // There is no other connection after all: takes streams again, and more resets.
  void reopen();

  // PINGs may be due: the service's keys have changed.
  void arm_ping();

  void flush() override;

 private:
  // Data toward a pod that stays unacknowledged this long: the pod is a black hole. A node that
  // reboots answers nothing, and every call on it waits for this.
  static constexpr Duration kUnacknowledged = 5s;

  static constexpr uint64_t kPingOpaque = 0x736c756963650002;

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
  void on_guard(const char* guard, const char* what) override;

  // Why HTTP/2 or the pod ends the connection goes to the log.
  void report(const char* guard, const char* what);
  void report_goaway(const http::Goaway& goaway);
  // The client caused one more RST_STREAM.
  void charge(ClientSide* client);
  // What of them waits may leave, or wears the connection out.
  void settle_resets();
  // The pod says that it ends the connection for their number.
  bool blames_resets(const http::Goaway& goaway) const;
  // Streams that the pod's limit holds back look for another connection.
  void give_back();
  void on_ping_timer();
  // True when HEADERS of a call that is tried again are still queued.
  bool lose_streams();
  // Closes now; calls that are left are lost.
  void end(const char* why);
  const char* why_closed(transport::CloseReason reason) const;

  Context& context_;
  Pool& pool_;
  const uint64_t owner_;
  const uint64_t id_;
  const Time since_;
  transport::StreamPtr stream_;
  const char* why_ = "";  // it is ending or takes no more streams
  bool routine_ = false;  // which is nothing to worry about
  bool established_ = false;
  bool silent_ = false;
  Time silent_since_{};
  bool ready_ = false;
  bool retired_ = false;
  bool open_ = false;  // ready, not retired, and not waiting for its replacement
  bool closing_ = false;
  bool worn_ = false;
  // Of the pod's GOAWAYs the first goes to the log, and the first that names an error.
  enum class Goaway : uint8_t { kNone, kGraceful, kError } goaway_ = Goaway::kNone;
  bool over_budget_ = false;     // RST_STREAM had to wait, now or before
  uint32_t resets_waiting_ = 0;  // at the last look
  ResetBudget resets_;
  Timer reset_timer_;  // one of those that wait may leave
  Timer connect_timer_;
  Timer ping_timer_;  // the next look at the connection's silence, or the end of patience
  bool ping_sent_ = false;
  Time ping_sent_at_{};
  http::ConnectionPtr http_;
};

}  // namespace sluice::upstream
