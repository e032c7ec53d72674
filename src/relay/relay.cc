#include "relay/relay.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/hash.h"
#include "base/stage_meter.h"

namespace sluice::relay {

using upstream::Flushable;

Relay::Relay(const Setup& setup)
    : host_(setup.host),
      context_(setup.now, setup.tcp, setup.plain, setup.http1, setup.http2, setup.wheel,
               setup.memory, setup.workers, setup.self, setup.seed, setup.process,
               setup.ticket_keys, setup.handshakes),
      drain_timer_([](void* self, Time) { static_cast<Relay*>(self)->on_drain_timer(); }, this),
      leaving_timer_([](void* self, Time) { static_cast<Relay*>(self)->retire_services(); }, this) {
}

Relay::~Relay() {
  // Clients end first: they cancel their calls at pods that are still there.
  while (!context_.leftovers.empty()) context_.leftovers.front().drop_leftover();
  listeners_.clear();
  retired_listeners_.clear();
  context_.destroy_calls_over();
  services_.clear();
  leaving_services_.clear();
  retired_services_.clear();
}

namespace {

// Of each service: whether no listener of it serves calls, and there are others.
std::vector<bool> only_l4(const config::Snapshot& snapshot) {
  std::vector<bool> l4(snapshot.services.size()), calls(snapshot.services.size());
  for (const config::Listener& l : snapshot.listeners) {
    std::vector<bool>& marks = l.serves_calls() ? calls : l4;
    if (l.service != config::Listener::kNoService) marks[l.service] = true;
    for (const config::NameRoute& r : l.routes) marks[r.service] = true;
  }
  for (size_t i = 0; i < l4.size(); ++i) l4[i] = l4[i] && !calls[i];
  return l4;
}

// The places of those that have a slot, by slot.
template <class T>
std::unordered_map<uint32_t, size_t> places_by_slot(const std::vector<std::unique_ptr<T>>& all) {
  std::unordered_map<uint32_t, size_t> places;
  places.reserve(all.size());
  for (size_t i = 0; i < all.size(); ++i) places.emplace(all[i]->slot(), i);
  return places;
}

}  // namespace

void Relay::adopt(const config::Snapshot& snapshot) {
  const bool client_idle_changed = context_.timeouts.client_idle != snapshot.timeouts.client_idle;
  context_.timeouts = snapshot.timeouts;
  context_.pod_idle = snapshot.timeouts.pod_idle;
  context_.limits = snapshot.limits;
  context_.holders.settle();
  context_.access_log = snapshot.access_log;
  context_.guards = context_.tls.guards = snapshot.guards;
  context_.http1.adopt(snapshot.limits, snapshot.guards);
  context_.http2.adopt(snapshot.limits, snapshot.guards);

  // Pods get their addresses before anything is sent to them.
  std::vector<Address> pods;
  for (const config::Service& s : snapshot.services)
    for (const config::Pod& p : s.pods) pods.push_back(p.endpoint.address);
  host_.set_pods(pods);

  adopt_services(snapshot);
  std::vector<std::unique_ptr<Listener>> listeners;
  std::vector<Listener*> fresh;
  const auto places = places_by_slot(listeners_);
  for (const config::Listener& config : snapshot.listeners) {
    if (!config.serves_calls()) continue;
    const Routes routes(*by_index_[config.service]);
    const auto place = places.find(config.slot);
    auto* same = place == places.end() ? nullptr : &listeners_[place->second];
    if (same == nullptr || *same == nullptr || (*same)->address() != config.address) {
      listeners.push_back(std::make_unique<Listener>(context_, config, routes));
      fresh.push_back(listeners.back().get());
    } else {
      (*same)->adopt(config, routes);
      listeners.push_back(std::move(*same));
    }
  }
  for (auto& l : listeners_) {
    if (l == nullptr) continue;
    l->close();
    l->drain_clients();
    retired_listeners_.push_back(std::move(l));
  }
  listeners_ = std::move(listeners);
  if (client_idle_changed)
    for (auto& l : listeners_) l->arm_lives();
  if (drain_ == Drain::kNo || drain_ == Drain::kAnnounced)
    for (Listener* l : fresh) l->open();
  forget_listeners();
  set_vips();
  retire_services();
  // Clients of a listener that stays may still have calls on a service that left. Clients of a
  // listener that left may still make some.
  std::erase_if(retired_services_, [&](const auto& s) {
    return s->idle() && !s->has_connections() &&
           std::none_of(retired_listeners_.begin(), retired_listeners_.end(),
                        [&](const auto& l) { return l->routes().lead_to(*s); });
  });
}

void Relay::adopt_services(const config::Snapshot& snapshot) {
  const std::vector<bool> others = only_l4(snapshot);
  const auto places = places_by_slot(services_);
  std::vector<std::unique_ptr<Service>> services;
  by_index_.clear();
  for (const config::Service& config : snapshot.services) {
    if (others[by_index_.size()]) {
      by_index_.push_back(nullptr);
      continue;
    }
    const auto place = places.find(config.slot);
    std::unique_ptr<Service> service =
        place == places.end() ? take_back(config) : std::move(services_[place->second]);
    if (service == nullptr) {
      service = std::make_unique<Service>(context_, config);
    } else {
      service->adopt(config);
    }
    services.push_back(std::move(service));
    by_index_.push_back(services.back().get());
  }
  for (auto& s : services_)
    if (s != nullptr) leaving_services_.push_back(std::move(s));
  services_ = std::move(services);
}

// A service that left and is back within a short time: its calls wait, or its pods have calls. One
// object writes the counters of a slot.
std::unique_ptr<Service> Relay::take_back(const config::Service& config) {
  for (auto* gone : {&leaving_services_, &retired_services_}) {
    const auto same = std::find_if(gone->begin(), gone->end(), [&](const auto& s) {
      return s->slot() == config.slot && s->config().name == config.name;
    });
    if (same == gone->end()) continue;
    std::unique_ptr<Service> service = std::move(*same);
    gone->erase(same);
    return service;
  }
  return nullptr;
}

void Relay::adopt_difference(const config::Snapshot& snapshot) {
  begin_difference(snapshot);
  while (adopt_part()) {
  }
}

void Relay::begin_difference(const config::Snapshot& snapshot) {
  adopting_ = &snapshot;
  parts_.begin(snapshot);
  begun_ = nullptr;
}

bool Relay::adopt_part() {
  const auto part = parts_.next([&](const config::PodChange& c) {
    const Service* service = by_index_[c.service];
    return service == nullptr || service->takes_parts(adopting_->services[c.service]);
  });
  if (!part) return false;
  const config::PodChange& change = *part->change;
  if (part->what == PodPart::What::kAll) {
    adopt_change(change);
    return true;
  }
  Service* service = by_index_[change.service];
  const config::Service& next = adopting_->services[change.service];
  if (std::exchange(begun_, &change) != &change && service != nullptr) service->begin_parts(next);
  const bool come = part->what == PodPart::What::kCome;
  const auto& pods = come ? next.pods : adopting_->difference->from->services[change.service].pods;
  for (uint32_t i = 0; i < part->count; ++i) {
    const Address& address = pods[part->first + i].endpoint.address;
    if (come) {
      host_.add_pod(address);
    } else {
      host_.remove_pod(address);
    }
  }
  if (service == nullptr) return true;
  if (come) {
    service->pods_come(part->first, part->count, part->place);
  } else {
    service->pods_leave(part->count, part->place);
  }
  return true;
}

void Relay::adopt_change(const config::PodChange& change) {
  const config::Service& next = adopting_->services[change.service];
  const config::SharedList<config::Pod>& before =
      adopting_->difference->from->services[change.service].pods;
  // Edits give places in the new list. In the old list they lie behind the pods that came before,
  // and before those that left.
  size_t old = 0, fresh = 0;
  for (const config::PodEdit& e : change.edits) {
    old += e.at - fresh;
    for (uint32_t i = 0; i < e.removed; ++i) host_.remove_pod(before[old + i].endpoint.address);
    for (uint32_t i = 0; i < e.added; ++i) host_.add_pod(next.pods[e.at + i].endpoint.address);
    old += e.removed;
    fresh = e.at + e.added;
  }
  if (Service* service = by_index_[change.service]) service->adopt_pods(next, change.edits);
}

// A service that left together with its listener goes on until no client of the listener can begin
// another call. Clients learn of the drain by an answer or a GOAWAY, and may ask before that. A
// service whose calls wait for a pod, as where a reload gave its listener to another service, goes
// on as well.
void Relay::retire_services() {
  for (auto& s : leaving_services_) {
    s->leave();
    const bool wanted =
        s->wanted_by_calls() ||
        std::any_of(retired_listeners_.begin(), retired_listeners_.end(),
                    [&](const auto& l) { return l->routes().lead_to(*s) && l->takes_calls(); });
    if (wanted) continue;
    s->retire();
    retired_services_.push_back(std::move(s));
  }
  std::erase(leaving_services_, nullptr);
  if (!leaving_services_.empty()) context_.wheel.arm(leaving_timer_, context_.now + kLeavingLook);
}

bool Relay::forget_listeners() {
  return std::erase_if(retired_listeners_, [](const auto& l) { return l->idle(); }) > 0;
}

void Relay::share_vips(std::vector<Address> others) {
  other_vips_ = std::move(others);
  set_vips();
}

void Relay::set_vips() {
  std::vector<Address> vips = other_vips_;
  for (auto* listeners : {&listeners_, &retired_listeners_})
    for (auto& l : *listeners) vips.push_back(l->address().address);
  std::sort(vips.begin(), vips.end());
  vips.erase(std::unique(vips.begin(), vips.end()), vips.end());
  host_.set_vips(std::move(vips));
}

// Open windows are promises. Promises to enough peers that do not read would fill any memory: TCP
// would have to shut every pod's window, and all clients would stand still for the sake of a few.
// Memory that nobody waits for is freed first: the rest of requests that are answered, and requests
// kept for further attempts. When there was none, clients are evicted in the order of Holders until
// there is room.
void Relay::relieve_memory() {
  if ((context_.memory.roomy() && !context_.holders.heap_short()) || context_.now < relieve_at_)
    return;
  relieve_at_ = context_.now + kRelieveEvery;
  const uint32_t free = context_.memory.hold_free();
  while (!context_.leftovers.empty()) context_.leftovers.front().drop_leftover();
  while (Call* call = context_.repeatables.pop_front()) call->forget_request();
  if (relieved(free)) return;
  uint32_t freed = 0;
  for (unsigned n = 0; n < kVictims && freed < kRelieveBuffers; ++n) {
    ClientConnection* victim = context_.holders.worst();
    if (victim == nullptr || (n > 0 && !victim->holder().stale())) return;
    freed += victim->holder().weight();
    ++context_.stats.relay.guard_memory;
    context_.stats.events.push({"memory", "held the most while memory was short", victim->peer()});
    victim->evict("memory is short, and the client holds the most");
  }
}

bool Relay::relieved(uint32_t free_before) {
  context_.memory.refresh();
  return !context_.holders.heap_short() &&
         (context_.memory.roomy() || context_.memory.hold_free() > free_before);
}

void Relay::flush() {
  context_.destroy_calls_over();  // they may have memory to free
  relieve_memory();
  if (!retired_listeners_.empty() && forget_listeners()) set_vips();
  for (auto& s : services_) s->pump();
  for (auto& s : leaving_services_) s->pump();
  for (auto& s : retired_services_) s->pump();
  in_stage(Stage::kHttp, [&] {
    while (Flushable* f = context_.dirty.pop_front()) f->flush();
  });
  context_.connect_turns.run(context_.now);
  context_.destroy_calls_over();
}

void Relay::begin_drain(Duration announce, Duration timeout) {
  if (drain_ != Drain::kNo) return;
  drain_ = Drain::kAnnounced;
  context_.draining = true;
  drain_timeout_ = timeout;
  if (announce > Duration::zero()) {
    context_.wheel.arm(drain_timer_, context_.now + announce);
  } else {
    on_drain_timer();
  }
}

void Relay::on_drain_timer() {
  if (drain_ == Drain::kAnnounced) {
    drain_ = Drain::kMoving;
    for (auto& l : listeners_) {
      l->close();
      l->drain_clients();
    }
    context_.wheel.arm(drain_timer_, context_.now + drain_timeout_);
    return;
  }
  drain_ = Drain::kEnding;
  for (auto& l : listeners_) l->end_clients();
  for (auto& l : retired_listeners_) l->end_clients();
}

bool Relay::drained() {
  if (drain_ != Drain::kMoving && drain_ != Drain::kEnding) return false;
  const auto idle = [](const auto& l) { return l->idle(); };
  return std::all_of(listeners_.begin(), listeners_.end(), idle) &&
         std::all_of(retired_listeners_.begin(), retired_listeners_.end(), idle);
}

}  // namespace sluice::relay
