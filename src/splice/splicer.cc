#include "splice/splicer.h"

#include <algorithm>

namespace sluice::splice {

namespace {

// How listeners use the services.
struct Uses {
  std::vector<bool> calls;    // some listener sends calls there
  std::vector<bool> relayed;  // some listener relays bytes there
};

Uses uses_of(const config::Snapshot& snapshot) {
  Uses uses{std::vector<bool>(snapshot.services.size()),
            std::vector<bool>(snapshot.services.size())};
  for (const config::Listener& l : snapshot.listeners) {
    const auto mark = [&](uint32_t service) {
      if (l.serves_calls()) uses.calls[service] = true;
      if (l.relays_bytes()) uses.relayed[service] = true;
    };
    if (l.service != config::Listener::kNoService) mark(l.service);
    for (const config::NameRoute& r : l.routes) mark(r.service);
  }
  return uses;
}

}  // namespace

Splicer::Splicer(const Setup& s)
    : context_(s.now, s.tcp, s.plain, s.tls, s.wheel, s.memory, s.workers, s.self, s.seed),
      drain_timer_([](void* self, Time) { static_cast<Splicer*>(self)->on_drain_timer(); }, this) {}

Splicer::~Splicer() {
  listeners_.clear();
  retired_listeners_.clear();
}

void Splicer::adopt(const config::Snapshot& snapshot) {
  const bool idle_changed = context_.timeouts.relay_idle != snapshot.timeouts.relay_idle;
  context_.timeouts = snapshot.timeouts;
  context_.limits = snapshot.limits;
  context_.guards = snapshot.guards;
  context_.access_log = snapshot.access_log;

  std::vector<std::unique_ptr<Service>> services;
  std::vector<Service*> by_index;  // nullptr: no connection is relayed to it
  const Uses uses = uses_of(snapshot);
  for (const config::Service& config : snapshot.services) {
    const size_t index = by_index.size();
    if (!uses.relayed[index]) {
      by_index.push_back(nullptr);
      continue;
    }
    const bool alone = !uses.calls[index];
    const auto same = std::find_if(services_.begin(), services_.end(), [&](const auto& s) {
      return s != nullptr && s->slot() == config.slot;
    });
    if (same == services_.end()) {
      services.push_back(std::make_unique<Service>(context_, config, alone));
    } else {
      (*same)->adopt(config, alone);
      services.push_back(std::move(*same));
    }
    by_index.push_back(services.back().get());
  }
  for (auto& s : services_) {
    if (s == nullptr) continue;
    s->retire();
    retired_services_.push_back(std::move(s));
  }
  services_ = std::move(services);
  by_index_.clear();
  for (size_t i = 0; i < by_index.size(); ++i)
    by_index_.push_back({.service = by_index[i], .alone = !uses.calls[i]});

  std::vector<std::unique_ptr<Listener>> listeners;
  for (const config::Listener& config : snapshot.listeners) {
    if (!config.relays_bytes()) continue;
    Routes routes(config, by_index);
    const auto same = std::find_if(listeners_.begin(), listeners_.end(), [&](const auto& l) {
      return l != nullptr && l->slot() == config.slot && l->address() == config.address;
    });
    if (same == listeners_.end()) {
      listeners.push_back(std::make_unique<Listener>(context_, config, std::move(routes)));
    } else {
      (*same)->adopt(config, std::move(routes));
      listeners.push_back(std::move(*same));
    }
  }
  for (auto& l : listeners_) {
    if (l == nullptr) continue;
    l->close();
    retired_listeners_.push_back(std::move(l));
  }
  listeners_ = std::move(listeners);
  if (idle_changed)
    for (auto* all : {&listeners_, &retired_listeners_})
      for (auto& l : *all) l->arm_idle();
  open_listeners();
  forget_listeners();
  forget_services();
  update_active();
}

void Splicer::open_listeners() {
  if (drain_ != Drain::kNo && drain_ != Drain::kAnnounced) return;
  for (auto& l : listeners_)
    if (!l->is_open()) l->open();
}

void Splicer::adopt_difference(const config::Snapshot& snapshot) {
  for (const config::PodChange& change : snapshot.difference->changes)
    if (const Indexed& i = by_index_[change.service]; i.service != nullptr)
      i.service->adopt(snapshot.services[change.service], i.alone);
}

// A worker without connections of a listener that left still answers for its address, as long as
// other workers have some.
bool Splicer::in_use(Listener& listener) const {
  if (!listener.idle()) return true;
  const uint32_t slot = listener.slot();
  // A listener that moved to another address counts on the same slot.
  if (std::any_of(listeners_.begin(), listeners_.end(),
                  [&](const auto& l) { return l->slot() == slot; }))
    return false;
  return std::any_of(context_.workers.begin(), context_.workers.end(), [&](stats::Worker* w) {
    return w->listener(slot).active_connections.get() > 0;
  });
}

bool Splicer::forget_listeners() {
  return std::erase_if(retired_listeners_, [&](const auto& l) { return !in_use(*l); }) > 0;
}

void Splicer::forget_services() {
  std::erase_if(retired_services_, [&](const auto& s) {
    return s->idle() && std::none_of(retired_listeners_.begin(), retired_listeners_.end(),
                                     [&](const auto& l) { return l->routes().lead_to(*s); });
  });
}

void Splicer::update_active() {
  active_ = !listeners_.empty() || !retired_listeners_.empty() || !retired_services_.empty();
}

std::vector<Address> Splicer::vips() const {
  std::vector<Address> all;
  for (auto* listeners : {&listeners_, &retired_listeners_})
    for (auto& l : *listeners) all.push_back(l->address().address);
  return all;
}

void Splicer::flush() {
  relieve_memory();
  while (Splice* s = context_.touched.pop_front()) s->flush();
  if (retired_listeners_.empty() && retired_services_.empty()) return;
  if (forget_listeners()) vips_changed_ = true;
  forget_services();
  update_active();
}

// Connections whose peers take nothing keep what came before. When memory is short, the one that
// keeps the most of those that were not looked at for the longest time is reset.
void Splicer::relieve_memory() {
  if (context_.memory.roomy() || context_.now < relieve_at_) return;
  relieve_at_ = context_.now + kRelieveEvery;
  Splice* worst = nullptr;
  uint32_t most = kWorthwhile - 1;
  for (unsigned i = 0; i < kLookedAt && i < context_.splices.live(); ++i) {
    Splice* s = context_.held.pop_front();
    context_.held.push_back(*s);
    if (const uint32_t n = s->buffers(); n > most) {
      worst = s;
      most = n;
    }
  }
  if (worst == nullptr) return;
  context_.stats.events.push(
      {"relayed_memory", "kept the most while memory was short", worst->peer()});
  worst->end(End::kMemory);
}

void Splicer::begin_drain(Duration announce, Duration timeout) {
  if (drain_ != Drain::kNo) return;
  drain_ = Drain::kAnnounced;
  drain_timeout_ = timeout;
  if (announce > Duration::zero()) {
    context_.wheel.arm(drain_timer_, context_.now + announce);
  } else {
    on_drain_timer();
  }
}

void Splicer::on_drain_timer() {
  if (drain_ == Drain::kAnnounced) {
    drain_ = Drain::kWaiting;
    for (auto& l : listeners_) l->close();
    context_.wheel.arm(drain_timer_, context_.now + drain_timeout_);
    return;
  }
  drain_ = Drain::kEnding;
  for (auto* listeners : {&listeners_, &retired_listeners_})
    for (auto& l : *listeners) l->end_clients(End::kDrain);
}

bool Splicer::drained() {
  return (drain_ == Drain::kWaiting || drain_ == Drain::kEnding) && context_.splices.live() == 0;
}

}  // namespace sluice::splice
