#pragma once
// All connections of one worker to one pod, and the pod's connectivity state, which follows from
// them.

#include <array>
#include <vector>

#include "base/list.h"
#include "base/timer_wheel.h"
#include "base/token_bucket.h"
#include "config/snapshot.h"
#include "pods/pod.h"
#include "upstream/call_side.h"
#include "upstream/context.h"
#include "upstream/hold.h"
#include "upstream/pod_connection.h"
#include "upstream/pool_owner.h"

namespace sluice::upstream {

class Pool final : private ConnectTurns::Waiter {
 public:
  // Connections to one pod, retired ones not counted. A pod that needs more has a fault.
  static constexpr uint32_t kMaxConnections = 64;
  // Connections that have no stream and take none by the pod's own limit. More of them would not
  // help.
  static constexpr uint32_t kMaxBarren = 2;
  // Bounds connects that succeed: a pod that accepts and hangs up at once would keep the worker
  // busy. The bound is far above what connections with a limit of streams or age need.
  static constexpr uint64_t kConnectsPerSecond = 100;
  static constexpr uint64_t kConnectBurst = 200;
  // Turns 10 seconds into about 3 hours. No pod complains about one PING in 3 hours.
  static constexpr uint32_t kMaxPingFactor = 1'024;
  // Turns 100 RST_STREAM into 4. Fewer are of no use.
  static constexpr uint32_t kMaxResetHalvings = 5;
  // A process that crashed is often back soon. So after the loss of a connection the pod is tried
  // at once, and then after these times, each counted from the start of the attempt that was
  // refused. Then the backoff begins. Calls wait for the pod as long as this lasts.
  static constexpr std::array<Duration, 2> kQuickRetries{50ms, 200ms};
  // The wait after a further connection that could not even be begun.
  static constexpr Duration kGrowAgain = 100ms;
  // Most retired connections. Each still has a call, so they are at most as many as the long calls.
  // Beyond this number the pod gets no further connection before a retired one has closed, except
  // when no connection is left that takes calls.
  static constexpr uint32_t kMaxRetired = 1'024;

  // Connections that a pod of HTTP/1.1 is asked for at once, when so many calls wait.
  static constexpr uint32_t kMostConnecting = 8;
  // Connects that are not counted in kConnectsPerSecond, since as many connections of HTTP/1.1
  // carried a request: some pods end the connection behind each.
  static constexpr uint32_t kMostEarned = 1'000;

  static constexpr uint64_t kEverybody = PodConnection::kEverybody;
  static constexpr uint64_t kOffenders = PodConnection::kOffenders;
  static constexpr uint64_t kSuspects = PodConnection::kSuspects;
  // Clients with a connection of their own. The other isolated clients share one.
  static constexpr uint32_t kMaxAlone = 16;
  // Isolated clients. When there are more, connections are replaced as often as needed.
  static constexpr uint32_t kMaxIsolated = 256;
  // Connections that carry one suspect each, until the pod has begun to answer the suspect.
  static constexpr uint32_t kMaxSuspects = 16;
  // How long a client stays isolated after it was last above its share: long enough for a share to
  // grow back.
  static constexpr Duration kIsolation = 30s;
  // Before this age, an isolated client's connection whose RST_STREAM are used up is not replaced.
  // Otherwise pods with a budget of 200 in 30 s would leave very little to a client that hedges.
  static constexpr Duration kIsolatedLife = 5s;
  // The wait after a connect for an isolated client that failed.
  static constexpr Duration kIsolatedRetry = 1s;

  // How long calls find no window on any connection before the pool opens another one. A pod that
  // is merely slow gives back part of a window sooner.
  static constexpr Duration kWindowShort = 50ms;
  // From this number of connections on, a client gets no further one for its own unread uploads.
  static constexpr uint32_t kMaxForOneWindow = 4;

  Pool(Context& context, PoolOwner& owner, const config::Pod& pod);
  ~Pool();
  Pool(const Pool&) = delete;

  pods::Pod& pod() { return pod_; }
  Duration connect_timeout() const;
  // Zero: no PINGs are sent.
  Duration ping_interval() const;
  Duration ping_timeout() const;
  bool ping_without_calls() const;
  // The rate of RST_STREAM on a connection: `pod_resets`, halved each time that the pod complained.
  ResetRate reset_rate() const {
    return ResetRate::of(context_.guards.pod_resets, 1u << reset_halvings_);
  }

  // Makes the streams of new connections.
  transport::Layer& layer() { return owner_.layer(); }
  // New connections speak HTTP/1.1: one call at a time.
  bool speaks_http1() const;
  // How long a connection of HTTP/1.1 may carry no request, where the pod says that it keeps it for
  // `peer`; zero: it does not say.
  Duration idle_timeout(Duration peer) const;
  // Another connection than `c` is ready, or will be.
  bool has_other(const PodConnection& c);
  // Another connection than `c` can carry the calls of both.
  bool takes_elsewhere(const PodConnection& c);
  // The connection of HTTP/1.1 has carried a request, and takes the next: before all others.
  void on_free(PodConnection& c);
  // A connection of HTTP/1.1 has carried a whole exchange.
  void earn_connect() {
    if (earned_ < kMostEarned) ++earned_;
  }
  // The service's protocol, or its rules for pods' certificates, have changed: all connections are
  // replaced.
  void renew();

  // The oldest connection with less than half of `pod_connection_streams`, or the one with the
  // fewest streams that takes one more; nullptr when there is none. Opens another one when the best
  // one is busy. avoid: the id of a connection that is taken only when there is no other.
  PodConnection* with_room(uint64_t avoid = 0);
  // with_room_for(): as with_room(), for a client that may be isolated; nullptr then sets `hold`.
  bool isolates() const { return !isolated_clients_.empty(); }
  PodConnection* with_room_for(uint64_t client, Hold& hold);
  // For a call with a body, when the connection of with_room() has no window for the client
  // (pool_windows.cc). Returns another connection that has a window. When none has: nullptr with
  // `hold` while a window is to be expected, else the connection with the largest one.
  PodConnection* with_window(uint64_t client, Hold& hold);
  // Bytes came from the pod: flow-control windows may be open again.
  void on_heard() {
    if (window_wanted_) [[unlikely]]
      tell_of_windows();
  }
  // For a suspect: a connection that carries no other call. nullptr when there is none yet. Then
  // may_open opens one, if the number allows.
  PodConnection* for_suspect(bool may_open);
  // The client cancels more than its share, on a connection whose RST_STREAM are used up. Its calls
  // leave the connections that others use.
  void isolate(const ClientSide& client);
  // The pod may be gone: a retransmission timeout expired, or a SYN got no answer. A READY pod in
  // doubt gets calls only when no other pod can take them.
  bool doubtful() const { return silent_count_ > 0 || connect_unanswered_; }
  // Waits for the turn to connect, unless it does already, or a connection exists, is being opened,
  // or waits for its backoff.
  void connect_if_needed() { connect_if_needed(ConnectTurns::Kind::kFirst); }
  // Opens one more connection for streams that find no room.
  void grow();
  // Opens one more connection for calls that the pod refused, unless one without streams exists.
  void grow_after_refusal();
  // Retires `c`, which is worn, as soon as another connection takes streams. False when there is
  // none and none is being opened.
  bool replace(PodConnection& c);

  // The service's keys may have changed.
  void arm_pings();
  // News of the endpoint came: a pod in backoff may be back.
  void on_news();
  // The pod left the endpoints, or came back.
  void set_draining(bool draining);
  // The calls that the connections in use could carry at once.
  uint64_t places();
  // fn(CallSide&) for each call on the connections.
  template <class Fn>
  void for_each_call(Fn&& fn) {
    for (PodConnection& c : connections_)
      c.http().for_each_stream([&](http::Stream& s) { fn(CallSide::of(s)); });
  }
  bool empty() { return count_ + isolated_count_ + retired_count_ == 0; }

  // The functions below are for the connections.
  void on_ready(PodConnection& c);
  void on_room();
  void on_too_many_pings();
  void on_too_many_resets();
  // A connection's retransmission timeout has expired, or the connection has recovered or gone.
  void on_silence(bool silent);
  void on_connect_unanswered();
  // A connection that was silent since `since` was given up. Others that have received nothing
  // since then are no better. A new connection has to show whether the pod is there.
  void on_lost_in_silence(Time since);
  // `c` takes no new streams, or (was_connecting) failed before it could take any.
  void on_retired(PodConnection& c, bool was_connecting);
  // `c` is ending and leaves the pool.
  void remove(PodConnection& c);
  // A connection for everybody, or an isolated one, has gone. When none is left another one is
  // opened; after a backoff, when the one that went was never ready. why, routine: see
  // PodConnection.
  void on_gone(bool was_connecting, bool isolated, const char* why, bool routine);

 private:
  struct Isolated {
    uint64_t client;
    uint64_t owner;  // of the connection for its calls: the client, or kOffenders
    Time until;
  };

  void connect_if_needed(ConnectTurns::Kind kind);
  void connect(ConnectTurns::Kind kind) override;
  void end_wait() { static_cast<ListHook<ConnectTurns::Waiter>&>(*this).unlink(); }
  bool waits() const { return static_cast<const ListHook<ConnectTurns::Waiter>&>(*this).linked(); }
  // A connection is ready, or being opened.
  bool connected_or_connecting();
  void on_backoff_end();
  // Has no stream and takes none by the pod's own limit.
  static bool is_barren(const PodConnection& c);
  static unsigned flaws_of(const PodConnection& c, uint64_t avoid);
  bool open_connection(uint64_t owner = kEverybody);
  // Takes a connect from the rate.
  bool may_connect();
  // The number of connections in the list that `c` is in.
  uint32_t& count_of(const PodConnection& c);
  // pool_windows.cc
  bool expects_window(bool for_all);
  void tell_of_windows();
  // pool_isolation.cc
  Isolated* isolated(uint64_t client);
  void end_isolation();
  void arm_backoff();
  void try_later();
  void update_state();
  void tell(pods::Connectivity before);

  Context& context_;
  PoolOwner& owner_;
  pods::Pod pod_;
  List<PodConnection, PodConnection> connections_;  // that take streams, or will
  List<PodConnection, PodConnection> retired_;
  List<PodConnection, PodConnection> isolated_;  // that take isolated clients' streams, or will
  std::vector<Isolated> isolated_clients_;
  Timer isolation_timer_;
  Time isolated_retry_at_{};
  uint32_t count_ = 0;
  uint32_t isolated_count_ = 0;
  uint32_t retired_count_ = 0;
  uint32_t silent_count_ = 0;
  bool connect_unanswered_ = false;  // the latest connect, while there are other connections
  TokenBucket connects_{kConnectsPerSecond, kConnectBurst};
  uint32_t earned_ = 0;         // connects that were earned, kMostEarned at most
  Time attempt_at_{};           // when the latest connect began
  bool window_wanted_ = false;  // calls wait for a window
  Time window_short_since_{};
  Time window_short_seen_{};
  Timer grow_timer_;
  Timer backoff_timer_;
  size_t quick_retries_ = kQuickRetries.size();  // used up since the last connection was lost
  bool quick_ = false;                           // backoff_timer_ is armed for a quick retry
  ConnectTurns::Kind turn_{};                    // in which the pod waits
  const char* why_ = "";                         // why the last connection ended
  bool routine_ = false;
  // The state that the log was told last.
  enum class Told : uint8_t { kNothing, kReady, kUnreachable } told_ = Told::kNothing;
  uint32_t ping_factor_ = 1;     // multiplies ping_interval; grows when the pod complains
  uint32_t reset_halvings_ = 0;  // halvings of pod_resets; grows when the pod complains
};

}  // namespace sluice::upstream
