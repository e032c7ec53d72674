#include "upstream/pool.h"

#include <algorithm>
#include <string>
#include <utility>

namespace sluice::upstream {

using pods::Connectivity;

Pool::Pool(Context& context, PoolOwner& owner, const config::Pod& pod)
    : context_(context),
      owner_(owner),
      pod_(pod.slot, pod.id, pod.endpoint, pod.weight, context.stats, context.other_loads),
      isolation_timer_([](void* self, Time) { static_cast<Pool*>(self)->end_isolation(); }, this),
      grow_timer_([](void* self, Time) { static_cast<Pool*>(self)->owner_.on_room(); }, this),
      backoff_timer_([](void* self, Time) { static_cast<Pool*>(self)->on_backoff_end(); }, this) {
  pod_.set_state(Connectivity::kIdle);
  pod_.set_reason("");
}

// Connections are left here only when the whole relay ends. TCP does not call back any more then.
Pool::~Pool() {
  connections_.splice_back(isolated_);
  connections_.splice_back(retired_);
  while (PodConnection* c = connections_.pop_front()) context_.pod_connections.destroy(c);
}

Duration Pool::connect_timeout() const {
  return owner_.config().connect_timeout;
}

Duration Pool::ping_interval() const {
  return owner_.config().ping_interval * int64_t{ping_factor_};
}

Duration Pool::ping_timeout() const {
  return owner_.config().ping_timeout;
}

bool Pool::ping_without_calls() const {
  return owner_.config().ping_without_calls;
}

bool Pool::speaks_http1() const {
  return config::is_http1(owner_.config().protocol);
}

Duration Pool::idle_timeout(Duration peer) const {
  constexpr Duration kBefore = 1s;  // a request may be on its way while the pod closes
  const Duration own = context_.pod_idle;
  return peer > Duration::zero() ? std::min(own, std::max(peer - kBefore, peer / 2)) : own;
}

bool Pool::has_other(const PodConnection& c) {
  for (PodConnection& other : connections_)
    if (&other != &c && (other.ready() || other.connecting())) return true;
  return false;
}

bool Pool::takes_elsewhere(const PodConnection& c) {
  for (PodConnection& other : connections_)
    if (&other != &c && other.may_stand_in()) return true;
  return false;
}

void Pool::on_free(PodConnection& c) {
  if (c.owner() != kEverybody || c.retired()) return;
  static_cast<ListHook<PodConnection>&>(c).unlink();
  connections_.push_front(c);
}

void Pool::renew() {
  std::vector<PodConnection*> all;
  for (auto* list : {&connections_, &isolated_})
    for (PodConnection& c : *list) all.push_back(&c);
  for (PodConnection* c : all) c->retire();
  on_news();
}

void Pool::arm_pings() {
  for (auto* list : {&connections_, &isolated_, &retired_})
    for (PodConnection& c : *list) c.arm_ping();
}

// gRPC's keepalive (its proposal A8) does the same: PINGs are half as frequent from now on.
void Pool::on_too_many_pings() {
  if (ping_interval() <= Duration::zero() || ping_factor_ >= kMaxPingFactor) return;
  ping_factor_ *= 2;
  ++context_.stats.relay.too_many_pings;
  context_.stats.events.push({nullptr, "too_many_pings: from now on PINGs come half as often",
                              pod_.address(), true, stats::Event::Kind::kGoesOn});
}

void Pool::on_too_many_resets() {
  if (reset_halvings_ < kMaxResetHalvings) ++reset_halvings_;
  ++context_.stats.relay.pod_reset_limits;
  const ResetRate rate = reset_rate();
  stats::Event event{"pod_resets", "ended a connection over RST_STREAM; from now on it gets ",
                     pod_.address(), true};
  event.add(std::to_string(rate.burst));
  event.add(" at once, and one in ");
  event.add(std::to_string(rate.each / 1ms));
  event.add(" ms");
  context_.stats.events.push(event);
}

bool Pool::open_connection(uint64_t owner) {
  const bool only = owner == kEverybody && count_ == 0;
  if ((retired_count_ >= kMaxRetired && !only) || !may_connect()) return false;
  PodConnection* c = context_.pod_connections.create(context_, *this, owner);
  if (c == nullptr) return false;
  if (owner == kEverybody) attempt_at_ = context_.now;
  ++pod_.stats().connects;
  if (!c->start()) {
    context_.pod_connections.destroy(c);
    return false;
  }
  (owner == kEverybody ? connections_ : isolated_).push_back(*c);
  ++count_of(*c);
  ++pod_.stats().connections;
  ++context_.stats.relay.pod_connections;
  return true;
}

bool Pool::may_connect() {
  if (earned_ == 0) return connects_.take(context_.now);
  --earned_;
  return true;
}

uint32_t& Pool::count_of(const PodConnection& c) {
  return c.retired() ? retired_count_ : c.owner() == kEverybody ? count_ : isolated_count_;
}

bool Pool::connected_or_connecting() {
  for (PodConnection& c : connections_)
    if (c.ready() || c.connecting()) return true;
  return false;
}

void Pool::connect_if_needed(ConnectTurns::Kind kind) {
  if (pod_.draining() || backoff_timer_.armed() || connected_or_connecting() || waits()) return;
  turn_ = kind;
  context_.connect_turns.wait(*this, owner_.connect_lines(), kind);
  update_state();
}

void Pool::connect(ConnectTurns::Kind kind) {
  if (pod_.draining() || backoff_timer_.armed() || connected_or_connecting()) {
    update_state();
    return;
  }
  if (open_connection()) {
    context_.connect_turns.depart(connections_.back().flight(), kind, context_.now);
  } else {
    ++pod_.stats().connect_failures;
    why_ = "no route, no free port, no room, or too many connects a second";
    attempt_at_ = context_.now;
    arm_backoff();
  }
  update_state();
}

void Pool::on_backoff_end() {
  connect_if_needed(quick_ ? ConnectTurns::Kind::kFirst : ConnectTurns::Kind::kRetry);
  if (connect_unanswered_) grow();  // beside the connections that there are
  owner_.on_room();                 // calls that wait may need another connection
}

// A connection of HTTP/1.1 without a stream is free, or has ended and leaves with its next flush().
bool Pool::is_barren(const PodConnection& c) {
  return !c.one_at_a_time() && c.streams() == 0 && !c.takes_stream();
}

void Pool::grow() {
  const bool http1 = speaks_http1();
  const uint32_t most = http1 ? context_.limits.http1_pod_connections : kMaxConnections;
  if (pod_.draining() || backoff_timer_.armed() || waits() || count_ >= most) return;
  uint32_t barren = 0;
  uint32_t connecting = 0;
  for (PodConnection& c : connections_) {
    connecting += c.connecting();
    barren += !c.connecting() && is_barren(c);
  }
  // A connection of HTTP/1.1 takes one call only: as many are opened as calls wait.
  uint32_t wanted = http1 ? std::clamp(owner_.calls_waiting(), uint32_t{1}, kMostConnecting) : 1;
  wanted = std::min(wanted, connecting + most - count_);
  if (barren >= kMaxBarren) {
    if (connect_unanswered_) try_later();
    return;
  }
  for (; connecting < wanted; ++connecting) {
    if (open_connection()) continue;
    // Only a connection that becomes ready takes the doubt from the pod: it is tried again.
    if (connect_unanswered_) {
      try_later();
    } else {
      context_.wheel.arm(grow_timer_, context_.now + kGrowAgain);
    }
    return;
  }
}

void Pool::grow_after_refusal() {
  bool all_busy = true;
  for (PodConnection& c : connections_) all_busy &= c.streams() > 0;
  if (all_busy || count_ < 2) grow();
}

bool Pool::replace(PodConnection& worn) {
  bool coming = false;
  uint32_t barren = 0;
  for (PodConnection& c : connections_) {
    if (!c.worn() && c.takes_stream()) {
      worn.retire();
      return true;
    }
    coming |= c.connecting();
    barren += c.ready() && !c.worn() && is_barren(c);
  }
  return coming || (barren < kMaxBarren && !backoff_timer_.armed() && open_connection());
}

// Reasons against a connection that weigh more than any number of streams.
unsigned Pool::flaws_of(const PodConnection& c, uint64_t avoid) {
  return (c.silent() ? 2u : 0u) + (c.id() == avoid ? 1u : 0u);
}

PodConnection* Pool::with_room(uint64_t avoid) {
  const uint32_t half = context_.limits.pod_connection_streams / 2;
  PodConnection* best = nullptr;
  for (PodConnection& c : connections_) {
    if (!c.takes_stream()) continue;
    const unsigned flaws = flaws_of(c, avoid);
    // The first one without a flaw: of HTTP/1.1 the one that was used last; else the oldest one
    // below half of its load, so that younger ones run empty and end (PodConnection::kSpare).
    if (flaws == 0 && (c.one_at_a_time() || c.streams() < half)) {
      best = &c;
      break;
    }
    if (best == nullptr) {
      best = &c;
      continue;
    }
    const unsigned least = flaws_of(*best, avoid);
    if (flaws < least || (flaws == least && c.streams() < best->streams())) best = &c;
  }
  if (best != nullptr && best->one_at_a_time()) {
    // Behind all that are free, since it is about to carry a call.
    static_cast<ListHook<PodConnection>*>(best)->unlink();
    connections_.push_back(*best);
    best->leave_idle();
    return best;
  }
  if (best == nullptr || best->streams() >= context_.limits.pod_connection_streams) grow();
  return best;
}

void Pool::on_news() {
  pod_.backoff().reset();
  backoff_timer_.disarm();
  end_wait();
  connect_if_needed();
  if (connect_unanswered_) grow();  // the timer that would have done so is disarmed
  update_state();
}

void Pool::set_draining(bool draining) {
  if (pod_.draining() == draining) return;
  pod_.set_draining(draining);
  if (draining) {
    backoff_timer_.disarm();
    end_wait();
    for (auto* list : {&connections_, &isolated_})
      for (PodConnection& c : *list) c.retire();
  } else {
    on_news();
  }
  update_state();
}

void Pool::on_ready(PodConnection& ready) {
  if (ready.owner() != kEverybody) {
    if (ready.owner() == kSuspects && !owner_.holds_calls()) {
      ready.retire();  // the call has ended
    } else {
      owner_.on_isolated_room();
    }
    return;
  }
  pod_.backoff().reset();
  quick_retries_ = kQuickRetries.size();
  if (std::exchange(connect_unanswered_, false)) owner_.on_doubt();
  if (ready.takes_stream()) {
    for (PodConnection& c : connections_)
      if (c.worn()) c.retire();
  } else {
    for (PodConnection& c : connections_) c.reopen();
  }
  update_state();
  owner_.on_room();
  owner_.on_isolated_room();
}

uint64_t Pool::places() {
  uint64_t n = 0;
  for (PodConnection& c : connections_)
    n += c.takes_stream() ? c.http().peer_max_concurrent_streams() : c.streams();
  // A connection of HTTP/1.1 is one place, is opened when a call wants one, and closed soon after.
  const uint32_t most = context_.limits.http1_pod_connections;
  if (speaks_http1() && count_ < most && !pod_.draining() && !backoff_timer_.armed() && !waits())
    n += most - count_;
  return n;
}

void Pool::on_room() {
  owner_.on_room();
}

void Pool::on_silence(bool silent) {
  const bool before = doubtful();
  if (silent) {
    ++silent_count_;
  } else {
    --silent_count_;
  }
  if (doubtful() != before) owner_.on_doubt();
}

void Pool::on_connect_unanswered() {
  const bool before = doubtful();
  connect_unanswered_ = true;
  if (!before) owner_.on_doubt();
}

void Pool::on_lost_in_silence(Time since) {
  for (auto* list : {&connections_, &isolated_})
    for (PodConnection& c : *list)
      if (c.ready() && c.heard_at() < since) c.retire();
}

void Pool::on_retired(PodConnection& c, bool was_connecting) {
  static_cast<ListHook<PodConnection>&>(c).unlink();
  retired_.push_back(c);
  --(c.owner() == kEverybody ? count_ : isolated_count_);
  ++retired_count_;
  on_gone(was_connecting, c.owner() != kEverybody, c.why(), c.routine());
}

void Pool::remove(PodConnection& c) {
  static_cast<ListHook<PodConnection>&>(c).unlink();
  --count_of(c);
  if (c.silent()) on_silence(false);
  --pod_.stats().connections;
  --context_.stats.relay.pod_connections;
}

void Pool::on_gone(bool was_connecting, bool isolated, const char* why, bool routine) {
  if (pod_.draining()) {
    update_state();
    return;
  }
  if (was_connecting) ++pod_.stats().connect_failures;
  if (!isolated && *why != '\0') {
    why_ = why;
    routine_ = routine;
  }
  if (was_connecting && isolated) {
    isolated_retry_at_ = context_.now + kIsolatedRetry;
  } else if (was_connecting) {
    arm_backoff();
    for (PodConnection& c : connections_) c.reopen();
    owner_.on_room();
  } else {
    // A connection that was retired first comes here twice. Its end is then no loss.
    if (pod_.state() == Connectivity::kReady) quick_retries_ = 0;
    connect_if_needed();
    owner_.on_room();  // for another connection
  }
  update_state();
}

// As if an attempt had begun now and failed.
void Pool::try_later() {
  attempt_at_ = context_.now;
  arm_backoff();
}

// The next attempt begins one wait after the start of this one (gRPC's connection-backoff). A pod
// that does not refuse, or not soon, will not be back in a moment.
void Pool::arm_backoff() {
  quick_ = quick_retries_ < kQuickRetries.size() && !connect_unanswered_ &&
           context_.now - attempt_at_ <= kQuickRetries.back();
  if (!quick_) quick_retries_ = kQuickRetries.size();
  const Duration wait =
      quick_ ? kQuickRetries[quick_retries_++] : pod_.backoff().next(context_.random);
  context_.wheel.arm(backoff_timer_, std::max(attempt_at_ + wait, context_.now));
}

void Pool::update_state() {
  bool ready = false;
  const bool waits_first = waits() && turn_ == ConnectTurns::Kind::kFirst;
  bool connecting = waits_first || (backoff_timer_.armed() && quick_);
  for (PodConnection& c : connections_) {
    ready |= c.ready();
    connecting |= c.connecting();
  }
  const Connectivity now = pod_.draining()                     ? Connectivity::kShutdown
                           : ready                             ? Connectivity::kReady
                           : connecting                        ? Connectivity::kConnecting
                           : backoff_timer_.armed() || waits() ? Connectivity::kTransientFailure
                                                               : Connectivity::kIdle;
  if (now == pod_.state()) return;
  const Connectivity before = pod_.state();
  pod_.set_state(now);
  if (now == Connectivity::kTransientFailure) {
    pod_.set_reason(why_);
  } else if (now != Connectivity::kConnecting) {
    pod_.set_reason("");
  }
  tell(before);
  owner_.on_pod_state(*this);
}

// Logs once that a pod is unreachable, not with each attempt.
void Pool::tell(Connectivity before) {
  using What = stats::Change::What;
  stats::Change c;
  c.slot = pod_.slot();
  c.reason = why_;
  c.routine = routine_;
  if (pod_.state() == Connectivity::kReady && told_ != Told::kReady) {
    c.what = What::kPodReady;
    told_ = Told::kReady;
  } else if (pod_.state() == Connectivity::kTransientFailure && told_ != Told::kUnreachable) {
    c.what = What::kPodUnreachable;
    c.routine = false;
    told_ = Told::kUnreachable;
  } else if (pod_.state() == Connectivity::kConnecting && before == Connectivity::kReady) {
    c.what = What::kPodLost;
    told_ = Told::kNothing;
  } else if (pod_.state() == Connectivity::kShutdown) {
    c.what = What::kPodLeft;
    told_ = Told::kNothing;
  } else {
    return;
  }
  context_.stats.changes.push(c);
}

}  // namespace sluice::upstream
