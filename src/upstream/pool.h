#pragma once
// All connections of one worker to one pod, and the pod's connectivity state that follows from
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

class Pool {
 public:
  // To one pod, retired ones not counted; a pod that needs more is wrong.
  static constexpr uint32_t kMaxConnections = 64;
  // Of connections that have no stream and take none, since the pod says so: more would not help.
  static constexpr uint32_t kMaxBarren = 2;
  // Connects, of which each may have been a success: a pod that greets and hangs up would else keep
  // the worker busy. Far above what connections with a limit of streams or age make necessary.
  static constexpr uint64_t kConnectsPerSecond = 100;
  static constexpr uint64_t kConnectBurst = 200;
  // Makes 3 hours of 10 seconds: no pod complains there.
  static constexpr uint32_t kMaxPingFactor = 1'024;
  // Makes of 100 RST_STREAM 4: fewer are no use to anybody.
  static constexpr uint32_t kMaxResetHalvings = 5;
  // A process that crashed is often back in a moment. After the loss of its connection a pod is
  // tried at once, then after these, each from the beginning of the try before that was refused;
  // then the backoff begins. Calls wait for as long.
  static constexpr std::array<Duration, 2> kQuickRetries{50ms, 200ms};
  // After a connection for more streams that could not even be begun.
  static constexpr Duration kGrowAgain = 100ms;
  // Connections that only end their last calls. Each has one, so their number is that of long calls
  // at most; beyond this, the pod gets no further connection before an old one has gone, but one
  // where none is left that takes calls.
  static constexpr uint32_t kMaxRetired = 1'024;

  static constexpr uint64_t kEverybody = PodConnection::kEverybody;
  static constexpr uint64_t kOffenders = PodConnection::kOffenders;
  static constexpr uint64_t kSuspects = PodConnection::kSuspects;
  // Clients with a connection of their own; the others that are isolated share one.
  static constexpr uint32_t kMaxAlone = 16;
  // Isolated clients; beyond, connections are replaced as often as it takes.
  static constexpr uint32_t kMaxIsolated = 256;
  // Connections that each carry one suspect, until the pod has begun to answer it.
  static constexpr uint32_t kMaxSuspects = 16;
  // From the last time that the client was above its share. Long enough for a share to grow back.
  static constexpr Duration kIsolation = 30s;
  // An isolated client's connection that has had its RST_STREAM is replaced, but not sooner: pods
  // with a budget of 200 in 30 s would else leave a client that hedges very little.
  static constexpr Duration kIsolatedLife = 5s;
  // After a connect for an isolated client that failed.
  static constexpr Duration kIsolatedRetry = 1s;

  // Calls find no window on any connection for so long before there is another one. A pod that is
  // only slow gives back some of a window in less.
  static constexpr Duration kWindowShort = 50ms;
  // Connections from which a client whose uploads nobody reads gets none further for itself.
  static constexpr uint32_t kMaxForOneWindow = 4;

  Pool(Context& context, PoolOwner& owner, const config::Pod& pod);
  ~Pool();
  Pool(const Pool&) = delete;

  pods::Pod& pod() { return pod_; }
  Duration connect_timeout() const;
  // Zero: none are sent.
  Duration ping_interval() const;
  Duration ping_timeout() const;
  bool ping_without_calls() const;
  // RST_STREAM on a connection: `pod_resets`, or what the pod made of it.
  ResetRate reset_rate() const {
    return ResetRate::of(context_.guards.pod_resets, 1u << reset_halvings_);
  }

  // The connection with the fewest streams that takes one more; nullptr when there is none. Opens
  // another one when the best is busy. avoid: the id of one that is taken only if it is the only
  // one.
  PodConnection* with_room(uint64_t avoid = 0);
  // The same for a client, which may be isolated: then nullptr sets `hold`.
  bool isolates() const { return !isolated_clients_.empty(); }
  PodConnection* with_room_for(uint64_t client, Hold& hold);
  // The same for a call with a body, when the connection that with_room() gave has no window for
  // the client (pool_windows.cc): another one that has; where none has, nullptr with `hold`
  // while one is to be expected, else the one with the most.
  PodConnection* with_window(uint64_t client, Hold& hold);
  // Bytes came from the pod: windows may be open again.
  void on_heard() {
    if (window_wanted_) [[unlikely]]
      tell_of_windows();
  }
  // For a call that may be why a pod has ended a connection: one that no other call is on. nullptr
  // when there is none yet; then may_open opens one, if there may be one more.
  PodConnection* for_suspect(bool may_open);
  // The client cancels more than its share, on a connection that has had all that the pod bears:
  // its calls leave that to the others.
  void isolate(const ClientSide& client);
  // Nobody may be there any more: an expired retransmission timeout, or a SYN without an answer. A
  // READY pod of this kind gets calls only when no other pod can take them.
  bool doubtful() const { return silent_count_ > 0 || connect_unanswered_; }
  // Connects unless a connection is there, on its way, or backing off.
  void connect_if_needed();
  // One more connection for streams that find no room.
  void grow();
  // One more for calls that the pod refused: one that nothing is on will do.
  void grow_after_refusal();
  // `c` has little left that it may do: retires it as soon as another connection takes streams.
  // False when there is none, and none on its way.
  bool replace(PodConnection& c);

  // The service's keys may have changed.
  void arm_pings();
  // There is news of the endpoint: a pod in backoff may be back.
  void on_news();
  // The pod left the endpoints, or came back.
  void set_draining(bool draining);
  // Calls that the connections which take calls could have at once.
  uint64_t places();
  // fn(CallSide&) for each call on them.
  template <class Fn>
  void for_each_call(Fn&& fn) {
    for (PodConnection& c : connections_)
      c.http().for_each_stream([&](http::Stream& s) { fn(CallSide::of(s)); });
  }
  bool empty() { return count_ + isolated_count_ + retired_count_ == 0; }

  // From the connections.
  void on_ready(PodConnection& c);
  void on_room();
  void on_too_many_pings();
  void on_too_many_resets();
  // One connection more, or less, whose retransmission timeout has expired.
  void on_silence(bool silent);
  void on_connect_unanswered();
  // A connection was given up that was silent since then: others that have heard nothing since are
  // no better, and a new one has to show whether the pod is there.
  void on_lost_in_silence(Time since);
  // It takes no new streams, or failed before it could: was_connecting.
  void on_retired(PodConnection& c, bool was_connecting);
  // The connection is ending: it belongs to the pool no more.
  void remove(PodConnection& c);
  // One less, of the isolated or of everybody's. Another one is opened where there is none, after a
  // backoff when this one never came to be ready. why, routine: see PodConnection.
  void on_gone(bool was_connecting, bool isolated, const char* why, bool routine);

 private:
  struct Isolated {
    uint64_t client;
    uint64_t owner;  // of the connection for its calls: the client, or kOffenders
    Time until;
  };

  static unsigned flaws_of(const PodConnection& c, uint64_t avoid);
  bool open_connection(uint64_t owner = kEverybody);
  // How many there are of the list that `c` is in.
  uint32_t& count_of(const PodConnection& c);
  // pool_windows.cc
  bool expects_window(bool for_all);
  void tell_of_windows();
  // pool_isolation.cc
  Isolated* isolated(uint64_t client);
  void end_isolation();
  void count();
  void arm_backoff();
  void update_state();
  void tell(pods::Connectivity before);

  Context& context_;
  PoolOwner& owner_;
  pods::Pod pod_;
  List<PodConnection, PodConnection> connections_;  // that take streams, or will
  List<PodConnection, PodConnection> retired_;
  List<PodConnection, PodConnection> isolated_;  // that take streams of isolated clients, or will
  std::vector<Isolated> isolated_clients_;
  Timer isolation_timer_;
  Time isolated_retry_at_{};
  uint32_t count_ = 0;
  uint32_t isolated_count_ = 0;
  uint32_t retired_count_ = 0;
  uint32_t silent_count_ = 0;
  bool connect_unanswered_ = false;  // the last connect, while other connections are there
  TokenBucket connects_{kConnectsPerSecond, kConnectBurst};
  Time attempt_at_{};           // when the last connect began
  bool window_wanted_ = false;  // by calls that wait
  Time window_short_since_{};
  Time window_short_seen_{};
  Timer grow_timer_;
  Timer backoff_timer_;
  size_t quick_retries_ = kQuickRetries.size();  // used up since the last connection was lost
  bool quick_ = false;                           // backoff_timer_ is armed for one of them
  const char* why_ = "";                         // the last connection ended
  bool routine_ = false;
  // What the log has heard last.
  enum class Told : uint8_t { kNothing, kReady, kUnreachable } told_ = Told::kNothing;
  uint32_t ping_factor_ = 1;     // what the pod made of the service's ping_interval
  uint32_t reset_halvings_ = 0;  // and of pod_resets
};

}  // namespace sluice::upstream
