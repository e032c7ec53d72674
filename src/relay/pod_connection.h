#pragma once
// A connection to a pod: TCP below, HTTP/2 as its client, calls of many clients above.

#include <optional>

#include "base/list.h"
#include "base/timer_wheel.h"
#include "http2/connection.h"
#include "relay/context.h"
#include "relay/reset_budget.h"
#include "tcp/connection.h"
#include "tcp/user.h"

namespace sluice::relay {

class Pool;

class PodConnection final : public tcp::User,
                            public http2::Handler,
                            public Flushable,
                            public ListHook<PodConnection> {
 public:
  // Owned by the context's slab; destroys itself in on_closed, after the pool was told. owner: the
  // client whose calls it carries, kEverybody or kOffenders (relay/pool.h).
  PodConnection(Context& context, Pool& pool, uint64_t owner);

  // Begins to connect. False when that is impossible now; the object may then be destroyed.
  bool start();

  Pool& pool() { return pool_; }
  http2::Connection& http2() { return *http2_; }
  // The pod's SETTINGS are here and no GOAWAY: takes streams.
  bool ready() const { return ready_ && !retired_; }
  bool connecting() const { return !ready_ && !retired_; }
  bool retired() const { return retired_; }
  // Has used up most of what it may do: takes streams until another connection does.
  bool worn() const { return worn_; }
  bool takes_stream() const { return open_ && http2_->can_open(); }
  uint32_t streams() const { return http2_->open_streams(); }
  uint64_t owner() const { return owner_; }
  // Never used again for another connection; not 0.
  uint64_t id() const { return id_; }
  // For clients that cancel much: no more than the pod bears if they cancel all of it.
  bool takes_isolated_stream() const {
    const config::Rate& rate = context_.guards.pod_resets;
    return takes_stream() && (rate.burst == 0 || streams() < rate.burst / 2 + 1) &&
           resets_.left(rate, context_.now);
  }

  // RST_STREAM for a call that the pod works on. Pods count them, as clients' attacks (nghttp2
  // allows 33 a second and 1000 at once), and close the connection under all its calls. So one that
  // has had `pod_resets` is replaced, and after half as many more takes no new streams meanwhile;
  // its last ones are fewer than what the pod still allows. The client that wanted it, if one did,
  // may have to leave.
  void cancel(http2::Stream& s, http2::ErrorCode code, ClientConnection* client = nullptr);

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

  void on_established(tcp::Connection& c) override;
  void on_data(tcp::Connection& c, buf::Slice data) override;
  void on_end_of_data(tcp::Connection& c) override;
  void on_writable(tcp::Connection& c) override;
  void on_closed(tcp::Connection& c, tcp::CloseReason reason) override;

  void on_headers(http2::Stream& s, Section section, http2::FieldList& fields, bool end) override;
  void on_data(http2::Stream& s, buf::Slice data, bool end) override;
  void on_sent(http2::Stream& s, uint32_t n) override;
  void on_reset(http2::Stream& s, http2::ErrorCode code, bool remote) override;
  void on_closed(http2::Stream& s) override;
  void on_goaway(uint32_t last_stream_id, http2::ErrorCode code, std::string_view debug) override;
  void on_settings() override;
  void on_ping_ack(uint64_t opaque) override;
  void on_guard(const char* guard, const char* what) override;

  // Streams that the pod's limit holds back look for another connection.
  void give_back();
  void on_ping_timer();
  // True when HEADERS of a call that is tried again are still queued.
  bool lose_streams();
  // Closes now; calls that are left are lost.
  void end();

  Context& context_;
  Pool& pool_;
  const uint64_t owner_;
  const uint64_t id_;
  tcp::Connection* tcp_ = nullptr;
  bool ready_ = false;
  bool retired_ = false;
  bool open_ = false;  // ready, not retired, and not waiting for its replacement
  bool closing_ = false;
  bool worn_ = false;
  uint32_t resets_beyond_ = 0;
  ResetBudget resets_;
  Timer connect_timer_;
  Timer ping_timer_;  // the next look at the connection's silence, or the end of patience
  bool ping_sent_ = false;
  Time ping_sent_at_{};
  std::optional<http2::Connection> http2_;
};

}  // namespace sluice::relay
