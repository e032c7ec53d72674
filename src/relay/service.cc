#include "relay/service.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <unordered_map>

namespace sluice::relay {

using upstream::Hold;
using upstream::PodConnection;
using upstream::Pool;

using pods::Connectivity;

namespace {

balance::Spread spread(const Context& context) {
  return {.self = static_cast<uint32_t>(context.self),
          .workers = context.process.workers(),
          .seed = context.process.seed()};
}

balance::Subset subset(const Context& context, const config::Service& config) {
  return {config.pods.size(), static_cast<uint32_t>(context.self), context.process.workers(),
          context.limits.connections_per_pod};
}

}  // namespace

Service::Service(Context& context, const config::Service& config)
    : context_(context),
      config_(config),
      tls_(context.tls, context.plain),
      limits_(context.process.service(config.slot)),
      retry_budget_(config.retry.budget_percent, config.retry.budget_per_second, limits_.retries,
                    context.process.workers()),
      picker_(balance::make_picker(config.balance, context.random, spread(context))),
      subset_(subset(context, config)),
      waiting_(shared(limits_.waiting), context.process.workers()),
      held_(shared(limits_.held), context.process.workers()),
      held_timer_([](void* self, Time) { static_cast<Service*>(self)->held_due_ = true; }, this),
      share_timer_([](void* self, Time) { static_cast<Service*>(self)->look_at_shares(); }, this) {
  adopt(config);
}

Service::~Service() = default;

void Service::adopt(const config::Service& config) {
  left_at_.reset();
  if (config.retry != config_.retry)
    retry_budget_.adopt(config.retry.budget_percent, config.retry.budget_per_second);
  if (config.balance != config_.balance)
    picker_ = balance::make_picker(config.balance, context_.random, spread(context_));
  const bool renew = config.protocol != config_.protocol || !config.tls.same_rules(config_.tls);
  const bool other_certificate = config.tls.certificates != config_.tls.certificates;
  config_ = config;
  for (WaitQueue* queue : {&waiting_, &held_}) queue->settle(config_.queue_limit);
  tls_.call_with(config_.tls.context);
  retry_ = config_.retry.any() ? &config_.retry : nullptr;
  subset_ = subset(context_, config_);
  use_pods();
  if (!renew && !other_certificate) return;
  for (const auto& pool : pools_) {
    if (pool->pod().draining()) continue;
    if (renew) {
      pool->renew();
    } else {
      pool->on_news();  // a pod may take this one
    }
  }
  rebuild_ready();
}

void Service::adopt_pods(const config::Service& config, std::span<const config::PodEdit> edits) {
  config_ = config;
  const balance::Subset before = subset_;
  subset_ = subset(context_, config_);
  size_t changed = 0;
  for (const config::PodEdit& e : edits) changed += e.removed + e.added;
  // Places decide which workers connect to a pod, and an edit moves those behind it. Each edit
  // moves all pools behind it, too.
  if (!before.whole() || !subset_.whole() || changed > kFewPods) {
    use_pods();
    return;
  }
  forget_gone();
  std::vector<std::unique_ptr<Pool>> left;
  std::vector<Pool*> come;
  for (const config::PodEdit& e : edits) {
    take_out(e.at, e.removed, left);
    for (uint32_t i = 0; i < e.added; ++i)
      come.push_back(&insert(config_.pods[e.at + i], size_t{e.at} + i));
  }
  settle(come, std::move(left));
}

bool Service::takes_parts(const config::Service& config) const {
  return subset_.whole() && subset(context_, config).whole();
}

void Service::begin_parts(const config::Service& config) {
  config_ = config;
  subset_ = subset(context_, config_);
  forget_gone();
}

void Service::pods_come(uint32_t first, uint32_t count, size_t place) {
  std::vector<Pool*> come;
  for (uint32_t i = 0; i < count; ++i) come.push_back(&insert(config_.pods[first + i], place + i));
  settle(come, {});
}

void Service::pods_leave(uint32_t count, size_t place) {
  std::vector<std::unique_ptr<Pool>> left;
  take_out(place, count, left);
  settle({}, std::move(left));
}

Pool& Service::insert(const config::Pod& pod, size_t place) {
  // A pod that comes back may still have connections.
  std::unique_ptr<Pool> pool;
  if (const auto known = draining_.find(pod.slot); known != draining_.end()) {
    const pods::Pod& same = pools_[live_ + known->second]->pod();
    if (same.id() == pod.id && same.address() == pod.endpoint) pool = take_draining(known->second);
  }
  if (pool != nullptr) {
    pool->pod().set_weight(pod.weight);
  } else {
    pool = std::make_unique<Pool>(context_, *this, pod);
  }
  ++live_;
  return **pools_.insert(pools_.begin() + static_cast<std::ptrdiff_t>(place), std::move(pool));
}

void Service::add_draining(std::unique_ptr<Pool> pool) {
  draining_[pool->pod().slot()] = pools_.size() - live_;
  pools_.push_back(std::move(pool));
}

// The last one takes the place of the one that goes: the order of those that drain has no meaning.
std::unique_ptr<Pool> Service::take_draining(size_t i) {
  const auto forget = [&](Pool& p, size_t at) {
    const auto known = draining_.find(p.pod().slot());
    if (known == draining_.end() || known->second != at) return false;
    draining_.erase(known);
    return true;
  };
  std::unique_ptr<Pool> taken = std::move(pools_[live_ + i]);
  forget(*taken, i);
  const size_t last = pools_.size() - live_ - 1;
  if (i != last) {
    std::unique_ptr<Pool>& moved = pools_[live_ + i];
    moved = std::move(pools_.back());
    if (forget(*moved, last)) draining_[moved->pod().slot()] = i;
  }
  pools_.pop_back();
  return taken;
}

void Service::take_out(size_t place, uint32_t count, std::vector<std::unique_ptr<Pool>>& left) {
  const auto first = pools_.begin() + static_cast<std::ptrdiff_t>(place);
  left.insert(left.end(), std::move_iterator(first), std::move_iterator(first + count));
  pools_.erase(first, first + count);
  live_ -= count;
}

void Service::settle(const std::vector<Pool*>& come, std::vector<std::unique_ptr<Pool>> left) {
  std::vector<Pool*> leave;
  for (auto& p : left) {
    leave.push_back(p.get());
    add_draining(std::move(p));
  }
  // From now on pools may call this service.
  for (Pool* p : leave) p->set_draining(true);
  for (Pool* p : come) {
    p->set_draining(false);
    p->connect_if_needed();
    p->arm_pings();
  }
  // What is gone is forgotten at the end of the turn: a part of a large difference must not look at
  // all pods that drain.
  if (pools_.size() <= kFewPods) rebuild_ready();
  tell();
  pump_due_ = true;
}

void Service::use_pods() {
  subset_due_ = false;
  // When nothing is left of a pod, its slot may belong to another pod.
  forget_gone();
  std::unordered_map<uint32_t, std::unique_ptr<Pool>*> by_slot;
  by_slot.reserve(pools_.size());
  for (auto& p : pools_) by_slot.emplace(p->pod().slot(), &p);
  std::vector<std::unique_ptr<Pool>> next;
  std::vector<Pool*> news;
  for (size_t i = 0; i < config_.pods.size(); ++i) {
    if (!widened_ && !subset_.has(i)) continue;
    const config::Pod& pod = config_.pods[i];
    const auto found = by_slot.find(pod.slot);
    std::unique_ptr<Pool>* same = found == by_slot.end() ? nullptr : found->second;
    if (same == nullptr || *same == nullptr || (*same)->pod().id() != pod.id ||
        (*same)->pod().address() != pod.endpoint) {
      next.push_back(std::make_unique<Pool>(context_, *this, pod));
    } else {
      if ((*same)->pod().weight() != pod.weight) news.push_back(same->get());
      (*same)->pod().set_weight(pod.weight);
      next.push_back(std::move(*same));
    }
  }
  live_ = next.size();
  std::swap(pools_, next);
  draining_.clear();
  for (auto& p : next)
    if (p != nullptr) add_draining(std::move(p));
  // From now on pools may call this service: their order is final.
  for (size_t i = 0; i < pools_.size(); ++i) {
    pools_[i]->set_draining(i >= live_);
    if (i < live_) pools_[i]->connect_if_needed();
    pools_[i]->arm_pings();
  }
  for (Pool* pool : news)
    if (!pool->pod().draining()) pool->on_news();
  forget_gone();
  rebuild_ready();
  tell();
  pump_due_ = true;
}

void Service::retire() {
  config_.pods.clear();
  subset_ = subset(context_, config_);
  use_pods();
}

bool Service::has_connections() {
  return std::any_of(pools_.begin(), pools_.end(), [](auto& p) { return !p->empty(); });
}

void Service::rebuild_ready() {
  ready_due_ = false;
  ready_.clear();
  ready_pods_.clear();
  doubtful_.clear();
  for (auto& p : pools_)
    if (p->pod().state() == Connectivity::kReady)
      (p->doubtful() ? doubtful_ : ready_).push_back(p.get());
  all_doubtful_ = ready_.empty();
  if (ready_.empty()) std::swap(ready_, doubtful_);
  for (Pool* p : ready_) ready_pods_.push_back(&p->pod());
  picker_->update(ready_pods_);
}

void Service::change_ready(Pool& pool) {
  if (pools_.size() <= kFewPods) {
    rebuild_ready();
    return;
  }
  const bool ready = pool.pod().state() == Connectivity::kReady;
  const auto at = std::find(ready_.begin(), ready_.end(), &pool);
  if (!ready && at == ready_.end() &&
      std::find(doubtful_.begin(), doubtful_.end(), &pool) == doubtful_.end())
    return;
  if (all_doubtful_ || !doubtful_.empty() || (ready && pool.doubtful())) {
    rebuild_ready();
    return;
  }
  if ((at != ready_.end()) == ready) return;
  if (ready) {
    ready_.push_back(&pool);
    ready_pods_.push_back(&pool.pod());
    picker_->change(ready_pods_, &pool.pod());
    return;
  }
  ready_pods_.erase(ready_pods_.begin() + (at - ready_.begin()));
  ready_.erase(at);
  if (ready_.empty()) {
    rebuild_ready();
  } else {
    picker_->change(ready_pods_, nullptr);
  }
}

const char* Service::why_hopeless() const {
  const bool none =
      std::all_of(pools_.begin(), pools_.end(), [](const auto& p) { return p->pod().draining(); });
  return none ? "the service has no endpoint" : "no endpoint is reachable";
}

bool Service::hopeless() const {
  // Outside the subset there may be a pod that is reachable.
  return (subset_.whole() || widened_) && none_reachable();
}

bool Service::none_reachable() const {
  return std::all_of(pools_.begin(), pools_.end(), [](const auto& p) {
    return p->pod().draining() || p->pod().state() == Connectivity::kTransientFailure;
  });
}

void Service::widen_or_narrow() {
  subset_due_ = false;
  if (subset_.whole()) return;
  if (!widened_) {
    if (!ready_.empty() || !none_reachable()) return;
    widened_ = true;
    use_pods();
    return;
  }
  size_t live = 0, ready = 0;
  for (size_t i = 0, at = 0; i < config_.pods.size() && at < pools_.size(); ++i, ++at) {
    if (!subset_.has(i)) continue;
    ++live;
    ready += pools_[at]->pod().state() == Connectivity::kReady;
  }
  if (ready < std::min(live, balance::Subset::kLeastPods)) return;
  widened_ = false;
  use_pods();
}

void Service::begin(Call& call) {
  ++calls_;
  ++stats().streams;
  retry_budget_.earn();
  if (call.overdue()) {
    call.expire_deadline();
  } else {
    assign(call, false);
  }
}

PodConnection* Service::room_at(Pool& pool, const Call& call, Hold& hold) {
  PodConnection* c = pool.isolates() ? pool.with_room_for(call.client_id(), hold)
                                     : pool.with_room(call.retries().refused_by());
  if (c != nullptr &&
      c->http().window_for(call.client_id()) != http::Connection::WindowFor::kEnough &&
      call.needs_window() && c->owner() == Pool::kEverybody) [[unlikely]]
    return pool.with_window(call.client_id(), hold);
  return c;
}

PodConnection* Service::pick(const Call& call, Hold& hold) {
  const size_t n = ready_.size();
  if (n == 0) return nullptr;
  if (call.retries().suspect()) [[unlikely]]
    return pick_for_suspect(call, hold);
  if (sharing_ && !shares_.may_take(call.client_address(), call.client_id())) [[unlikely]] {
    hold = Hold::kShare;
    return nullptr;
  }
  // The picker's choice, unless the call failed there before or the pod is full. Then the picker is
  // asked again, so that the calls of a full pod go to all others by the policy. When it names no
  // pod with room, all are looked at, from a random one on: the successor of a full pod in the list
  // must not get its whole load. A pod at which the call failed is used only when there is no
  // other.
  PodConnection* second_best = nullptr;
  std::array<size_t, kPicks> picked{};
  auto end_of_picked = picked.begin();
  size_t first = 0;
  const size_t looks = n == 1 ? 1 : kPicks + n;
  for (size_t i = 0; i < looks; ++i) {
    if (i == kPicks) first = context_.random.below(n);
    const size_t at = i < kPicks ? picker_->pick() : (first + i) % n;
    // A pool that was asked has the same answer, and may have begun a connection for it.
    if (std::find(picked.begin(), end_of_picked, at) != end_of_picked) continue;
    if (i < kPicks) *end_of_picked++ = at;
    Pool& pool = *ready_[at];
    PodConnection* c = room_at(pool, call, hold);
    if (c == nullptr) continue;
    if (!call.retries().tried(pool.pod().slot())) return c;
    if (second_best == nullptr) second_best = c;
  }
  for (size_t i = 0; second_best == nullptr && i < doubtful_.size(); ++i)
    second_best = room_at(*doubtful_[i], call, hold);
  return second_best;
}

// Prefers a pod that has not ended a connection under the call.
PodConnection* Service::pick_for_suspect(const Call& call, Hold& hold) {
  const size_t n = ready_.size();
  const size_t first = picker_->pick();
  const bool untried = std::any_of(ready_.begin(), ready_.end(),
                                   [&](Pool* p) { return !call.retries().tried(p->pod().slot()); });
  for (const bool may_open : {false, true}) {
    for (size_t i = 0; i < n; ++i) {
      Pool& pool = *ready_[(first + i) % n];
      if (untried && call.retries().tried(pool.pod().slot())) continue;
      if (PodConnection* c = pool.for_suspect(may_open); c != nullptr) return c;
      if (may_open) break;
    }
  }
  hold = Hold::kSuspect;
  return nullptr;
}

bool Service::has_untried(const Call& call) const {
  return std::any_of(ready_.begin(), ready_.end(),
                     [&](Pool* p) { return !call.retries().tried(p->pod().slot()); });
}

void Service::grow_after_refusal() {
  for (Pool* p : ready_) p->grow_after_refusal();
}

void Service::forget_gone() {
  for (size_t i = 0; live_ + i < pools_.size();) {
    if (pools_[live_ + i]->empty()) {
      take_draining(i);
    } else {
      ++i;
    }
  }
}

void Service::assign(Call& call, bool again) {
  if (again && call.timers().waited_too_long(config_.queue_timeout)) {
    on_queue_timeout(call);
    return;
  }
  // First come, first served.
  Hold hold = Hold::kNot;
  if (again || waiting_.empty())
    if (PodConnection* c = pick(call, hold);
        c != nullptr && call.attach(*c) != Call::Attach::kNoStream)
      return;
  if (ready_.empty() && hopeless()) {
    ++context_.stats.relay.no_pod;
    call.fail(why_hopeless(), stats::Failure::kNoPod);
    return;
  }
  wait(call, again, hold);
}

void Service::wait(Call& call, bool again, Hold hold) {
  const bool held_back = hold != Hold::kNot;
  stats::Relay& stats = context_.stats.relay;
  WaitQueue& queue = held_back ? held_ : waiting_;
  if (!make_room(queue, call, hold)) return;
  queue.push(call, again);
  if (held_back) {
    switch (hold) {
      case Hold::kResets:
        ++stats.throttled_streams;
        break;
      case Hold::kWindow:
        ++stats.window_waits;
        break;
      case Hold::kShare:
        ++stats.place_share_waits;
        break;
      case Hold::kSuspect:
      case Hold::kNot:
        break;
    }
    if (!held_timer_.armed()) context_.wheel.arm(held_timer_, context_.now + kHeldLook);
  } else if (!share_timer_.armed()) {
    context_.wheel.arm(share_timer_, context_.now + kShareLook);
  }
  this->stats().queued.set(waiting_.size() + held_.size());
  ++context_.stats.relay.queued_streams;
  call.begin_wait(config_.queue_timeout);
}

bool Service::make_room(WaitQueue& queue, Call& call, Hold hold) {
  if (queue.reserve(config_.queue_limit)) return true;
  stats::Relay& stats = context_.stats.relay;
  const char* why = hold == Hold::kResets ? "the client cancels too many calls"
                                          : "too many calls wait for an endpoint";
  ++stats.queue_overflows;
  // Gives up the last call of a client that has more calls in this worker's queue than this one.
  if (Call* other = queue.to_give_up_for(call.client_address(), call.client_id())) {
    ++stats.queue_shares;
    other->fail(why, stats::Failure::kNoRoom);
    // Another worker may have been faster.
    if (queue.reserve(config_.queue_limit)) return true;
    ++stats.queue_overflows;
  }
  call.fail(why, stats::Failure::kNoRoom);
  return false;
}

void Service::stop_waiting(Call& call) {
  if (call.lane() == nullptr) return;
  call.lane()->queue->remove(call);
  call.end_wait();
  stats().queued.set(waiting_.size() + held_.size());
  --context_.stats.relay.queued_streams;
}

void Service::on_queue_timeout(Call& call) {
  ++context_.stats.relay.queue_timeouts;
  call.fail("no endpoint took the call in time", stats::Failure::kNoRoom);
}

// Logs once that the service is down, also when the service was never up.
void Service::tell() {
  const bool down = ready_.empty() && hopeless();
  if (down == told_down_ || (!down && ready_.empty())) return;
  told_down_ = down;
  stats::Change c;
  c.what = down ? stats::Change::What::kServiceDown : stats::Change::What::kServiceUp;
  c.slot = config_.slot;
  if (down) c.reason = why_hopeless();
  context_.stats.changes.push(c);
}

void Service::on_pod_state(Pool& pool) {
  change_ready(pool);
  tell();
  pump_due_ = subset_due_ = true;
  held_due_ = !held_.empty();
}

void Service::on_room() {
  if (!waiting_.empty()) pump_due_ = true;
}

void Service::pump_held() {
  held_due_ = false;
  window_look_at_ = context_.now + kWindowLook;
  // Tries each connection's first call, until none of them finds room.
  uint32_t fails = 0;
  for (uint32_t n = held_.size(); n > 0 && !held_.empty(); --n) {
    if (fails >= std::min<size_t>(held_.lanes(), kHeldTries)) break;
    Call& call = held_.next();
    held_.pass();
    Hold hold = Hold::kNot;
    PodConnection* c = pick(call, hold);
    if (c == nullptr && hold != Hold::kNot) {
      ++fails;
      continue;
    }
    fails = 0;
    stop_waiting(call);
    if (c == nullptr || call.attach(*c) == Call::Attach::kNoStream) assign(call, true);
  }
  if (!held_.empty()) context_.wheel.arm(held_timer_, context_.now + kHeldLook);
}

void Service::pump() {
  if (subset_due_) [[unlikely]]
    widen_or_narrow();
  if (ready_due_) rebuild_ready();
  if (held_due_) pump_held();
  if (!pump_due_) return;
  pump_due_ = false;
  while (!waiting_.empty()) {
    Call& call = waiting_.next();
    if (ready_.empty() && hopeless()) {
      stop_waiting(call);
      ++context_.stats.relay.no_pod;
      call.fail(why_hopeless(), stats::Failure::kNoPod);
      continue;
    }
    Hold hold = Hold::kNot;
    PodConnection* c = pick(call, hold);
    if (c == nullptr && hold == Hold::kNot) break;
    waiting_.pass();
    stop_waiting(call);
    if (c == nullptr) {
      wait(call, true, hold);
      continue;
    }
    if (call.attach(*c) != Call::Attach::kNoStream) continue;
    assign(call, true);
    break;  // the call may have to wait again: no pod takes it now
  }
  forget_gone();
}

}  // namespace sluice::relay
