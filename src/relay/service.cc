#include "relay/service.h"

#include <algorithm>

namespace sluice::relay {

using pods::Connectivity;

Service::Service(Context& context, const config::Service& config)
    : context_(context),
      slot_(config.slot),
      policy_(config.balance),
      picker_(balance::make_picker(config.balance, context.random)),
      held_timer_([](void* self, Time) { static_cast<Service*>(self)->held_due_ = true; }, this) {
  adopt(config);
}

Service::~Service() = default;

void Service::adopt(const config::Service& config) {
  connect_timeout_ = config.connect_timeout;
  queue_timeout_ = config.queue_timeout;
  call_timeout_ = config.call_timeout;
  stream_idle_timeout_ = config.stream_idle_timeout;
  max_stream_age_ = config.max_stream_age;
  ping_interval_ = config.ping_interval;
  ping_timeout_ = config.ping_timeout;
  ping_without_calls_ = config.ping_without_calls;
  queue_limit_ = config.queue_limit;
  if (config.retry != retry_) {
    retry_ = config.retry;
    retry_budget_ = {retry_.budget_percent, retry_.budget_per_second};
  }
  if (config.balance != policy_) {
    policy_ = config.balance;
    picker_ = balance::make_picker(policy_, context_.random);
  }
  // A slot may name another pod by now, once nothing is left of the one before.
  forget_gone();
  std::vector<std::unique_ptr<Pool>> next;
  std::vector<Pool*> news;
  for (const config::Pod& pod : config.pods) {
    const auto same = std::find_if(pools_.begin(), pools_.end(), [&](const auto& p) {
      return p != nullptr && p->pod().slot() == pod.slot && p->pod().id() == pod.id &&
             p->pod().address() == pod.endpoint;
    });
    if (same == pools_.end()) {
      next.push_back(std::make_unique<Pool>(context_, *this, pod));
    } else {
      if ((*same)->pod().weight() != pod.weight) news.push_back(same->get());
      (*same)->pod().set_weight(pod.weight);
      next.push_back(std::move(*same));
    }
  }
  for (auto& p : pools_)
    if (p != nullptr) next.push_back(std::move(p));
  pools_ = std::move(next);
  // Only now do pools speak to this service: their order stands.
  const size_t live = config.pods.size();
  for (size_t i = 0; i < pools_.size(); ++i) {
    pools_[i]->set_draining(i >= live);
    if (i < live) pools_[i]->connect_if_needed();
    pools_[i]->arm_pings();
  }
  for (Pool* pool : news)
    if (!pool->pod().draining()) pool->on_news();
  forget_gone();
  rebuild_ready();
  pump_due_ = true;
}

void Service::retire() {
  for (auto& p : pools_) p->set_draining(true);
  rebuild_ready();
  pump_due_ = true;
}

bool Service::has_connections() {
  return std::any_of(pools_.begin(), pools_.end(), [](auto& p) { return !p->empty(); });
}

void Service::rebuild_ready() {
  ready_.clear();
  ready_pods_.clear();
  for (auto& p : pools_) {
    if (p->pod().state() != Connectivity::kReady) continue;
    ready_.push_back(p.get());
    ready_pods_.push_back(&p->pod());
  }
  picker_->update(ready_pods_);
}

const char* Service::why_hopeless() const {
  const bool none =
      std::all_of(pools_.begin(), pools_.end(), [](const auto& p) { return p->pod().draining(); });
  return none ? "the service has no endpoint" : "no endpoint is reachable";
}

bool Service::hopeless() const {
  return std::all_of(pools_.begin(), pools_.end(), [](const auto& p) {
    return p->pod().draining() || p->pod().state() == Connectivity::kTransientFailure;
  });
}

void Service::begin(Exchange& e) {
  ++calls_;
  ++stats().streams;
  retry_budget_.earn();
  if (e.overdue()) {
    e.expire_deadline();
  } else {
    assign(e, false);
  }
}

PodConnection* Service::pick(const Exchange& e, bool& held_back) {
  const size_t n = ready_.size();
  if (n == 0) return nullptr;
  const size_t first = picker_->pick();
  // The picker's choice, unless the call failed there before or the pod is full: then the next one
  // in the order; a pod that failed before only when there is no other.
  PodConnection* second_best = nullptr;
  for (size_t i = 0; i < n; ++i) {
    Pool& pool = *ready_[(first + i) % n];
    PodConnection* c = pool.isolates() ? pool.with_room_for(e.client_id(), held_back)
                                       : pool.with_room(e.refused_by());
    if (c == nullptr) continue;
    if (!e.tried(pool.pod().slot())) return c;
    if (second_best == nullptr) second_best = c;
  }
  return second_best;
}

bool Service::has_untried(const Exchange& e) {
  if (std::any_of(ready_.begin(), ready_.end(), [&](Pool* p) { return !e.tried(p->pod().slot()); }))
    return true;
  for (Pool* p : ready_) p->grow_after_refusal();
  return false;
}

void Service::forget_gone() {
  std::erase_if(pools_, [](const auto& p) { return p->pod().draining() && p->empty(); });
}

void Service::assign(Exchange& e, bool again) {
  if (again && e.waited_too_long(queue_timeout_)) {
    on_queue_timeout(e);
    return;
  }
  // Who came first goes first.
  bool held_back = false;
  if (again || waiting_.empty())
    if (PodConnection* c = pick(e, held_back); c != nullptr && e.attach(*c)) return;
  if (ready_.empty() && hopeless()) {
    ++context_.stats.http2.no_pod;
    e.fail(why_hopeless());
    return;
  }
  wait(e, again, held_back);
}

void Service::wait(Exchange& e, bool again, bool held_back) {
  auto& queue = held_back ? held_ : waiting_;
  uint32_t& count = held_back ? held_count_ : waiting_count_;
  if (count >= queue_limit_) {
    ++context_.stats.http2.queue_overflows;
    e.fail(held_back ? "the client cancels too many calls" : "too many calls wait for an endpoint");
    return;
  }
  if (again) {
    queue.push_front(e);
  } else {
    queue.push_back(e);
  }
  ++count;
  e.set_held_back(held_back);
  if (held_back) {
    ++context_.stats.http2.throttled_streams;
    if (!held_timer_.armed()) context_.wheel.arm(held_timer_, context_.now + kHeldLook);
  }
  stats().queued.set(waiting_count_ + held_count_);
  ++context_.stats.http2.queued_streams;
  e.begin_wait(queue_timeout_);
}

void Service::stop_waiting(Exchange& e) {
  auto& hook = static_cast<ListHook<Exchange>&>(e);
  if (!hook.linked()) return;
  hook.unlink();
  e.end_wait();
  --(e.held_back() ? held_count_ : waiting_count_);
  stats().queued.set(waiting_count_ + held_count_);
  --context_.stats.http2.queued_streams;
}

void Service::on_queue_timeout(Exchange& e) {
  ++context_.stats.http2.queue_timeouts;
  e.fail("no endpoint took the call in time");
}

void Service::on_pod_state() {
  rebuild_ready();
  pump_due_ = true;
  held_due_ = !held_.empty();
}

void Service::on_room() {
  if (!waiting_.empty()) pump_due_ = true;
}

void Service::pump_held() {
  held_due_ = false;
  uint64_t stuck = 0;  // a client without room
  uint32_t tries = 0;
  for (uint32_t n = held_count_; n > 0 && !held_.empty() && tries < kHeldTries; --n) {
    Exchange& e = held_.front();
    if (e.client_id() != stuck) {
      ++tries;
      bool held_back = false;
      PodConnection* c = pick(e, held_back);
      if (c != nullptr || !held_back) {
        stop_waiting(e);
        if (c == nullptr || !e.attach(*c)) assign(e, true);
        continue;
      }
      stuck = e.client_id();
    }
    held_.pop_front();
    held_.push_back(e);
  }
  if (!held_.empty()) context_.wheel.arm(held_timer_, context_.now + kHeldLook);
}

void Service::pump() {
  if (held_due_) pump_held();
  if (!pump_due_) return;
  pump_due_ = false;
  while (!waiting_.empty()) {
    Exchange& e = waiting_.front();
    if (ready_.empty() && hopeless()) {
      stop_waiting(e);
      ++context_.stats.http2.no_pod;
      e.fail(why_hopeless());
      continue;
    }
    bool held_back = false;
    PodConnection* c = pick(e, held_back);
    if (c == nullptr && !held_back) break;
    stop_waiting(e);
    if (c == nullptr) {
      wait(e, true, true);
      continue;
    }
    if (e.attach(*c)) continue;
    assign(e, true);
    break;  // it may wait again: no pod takes it now
  }
  forget_gone();
}

}  // namespace sluice::relay
