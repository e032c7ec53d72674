#include "ip/neighbours.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace sluice::ip {

Neighbours::Entry::Entry(Neighbours& o, const Address& a, State s, bool k)
    : owner(o),
      address(a),
      state(s),
      kept(k),
      timer(
          [](void* self, Time now) {
            auto* e = static_cast<Entry*>(self);
            e->owner.on_timer(*e, now);
          },
          this) {}

Neighbours::Neighbours(NeighbourLink& link, TimerWheel& wheel) : link_(link), wheel_(wheel) {}

Neighbours::~Neighbours() {
  for (Bucket& b : buckets_)
    while (Entry* e = b.pop_front()) entries_.destroy(e);
}

Neighbours::Entry* Neighbours::find(const Address& address) {
  for (Entry& e : buckets_[hash_of(address) % kBuckets])
    if (e.address == address) return &e;
  return nullptr;
}

Neighbours::Kept* Neighbours::kept(const Address& address) {
  const auto it = kept_.find(address);
  return it == kept_.end() ? nullptr : &it->second;
}

void Neighbours::keep(const std::vector<Address>& addresses) {
  std::unordered_map<Address, Kept, Hash> next;
  next.reserve(2 * addresses.size());  // a table that grows would hold up the worker
  for (const Address& a : addresses) {
    Kept& k = next[a];
    const Kept* before = kept(a);
    ++k.names;
    k.lost = before != nullptr && before->lost;
  }
  kept_ = std::move(next);
  for (Bucket& b : buckets_)
    for (Entry& e : b) set_kept(e, kept(e.address) != nullptr);
  while (resolved_count_ > kMaxResolved) make_room(true);
  while (unresolved_count_ > kMaxUnresolved) make_room(false);
}

void Neighbours::keep_more(const Address& address) {
  if (kept_[address].names++ > 0) return;
  if (Entry* e = find(address)) set_kept(*e, true);
}

void Neighbours::keep_less(const Address& address) {
  const auto it = kept_.find(address);
  if (it == kept_.end() || --it->second.names > 0) return;
  kept_.erase(it);
  Entry* e = find(address);
  if (e == nullptr) return;
  set_kept(*e, false);
  while (resolved_count_ > kMaxResolved) make_room(true);
  while (unresolved_count_ > kMaxUnresolved) make_room(false);
}

void Neighbours::set_kept(Entry& e, bool keeps) {
  if (keeps == e.kept) return;
  undelivered_ += take_waiting(e).size();
  displace(e);
  e.kept = keeps;
  place(e);
}

Neighbours::Entry& Neighbours::create(const Address& address, State state) {
  const bool keeps = kept(address) != nullptr;
  const bool resolved = state != State::kIncomplete;
  if (!keeps && (resolved ? resolved_count_ >= kMaxResolved : unresolved_count_ >= kMaxUnresolved))
    make_room(resolved);
  Entry* e = entries_.create(*this, address, state, keeps);
  buckets_[hash_of(address) % kBuckets].push_front(*e);
  place(*e);
  return *e;
}

void Neighbours::erase(Entry& e) {
  if (e.known()) ++generation_;
  undelivered_ += take_waiting(e).size();
  displace(e);
  static_cast<ListHook<>&>(e).unlink();
  entries_.destroy(&e);
}

// Puts the neighbour into the list of strangers that it belongs to.
void Neighbours::place(Entry& e) {
  if (e.kept) return;
  if (e.resolved()) {
    resolved_.push_back(e);
    ++resolved_count_;
  } else {
    if (e.state == State::kFailed) {
      unresolved_.push_front(e);
    } else {
      unresolved_.push_back(e);
    }
    ++unresolved_count_;
  }
}

void Neighbours::displace(Entry& e) {
  if (e.kept) return;
  static_cast<ListHook<ByAge>&>(e).unlink();
  --(e.resolved() ? resolved_count_ : unresolved_count_);
}

void Neighbours::set_state(Entry& e, State state) {
  if (e.known() && state != State::kReachable && state != State::kProbe) ++generation_;
  const bool now_resolved = state != State::kIncomplete && state != State::kFailed;
  if (now_resolved == e.resolved() && state != State::kFailed) {
    e.state = state;
    return;
  }
  displace(e);
  if (!e.kept &&
      (now_resolved ? resolved_count_ >= kMaxResolved : unresolved_count_ >= kMaxUnresolved))
    make_room(now_resolved);
  e.state = state;
  place(e);
}

// Drops one stranger.
void Neighbours::make_room(bool resolved) {
  ++evicted_;
  erase((resolved ? resolved_ : unresolved_).front());
}

void Neighbours::note_use(Entry& e, Time now) {
  if (now - e.used < kUseGrain) return;
  e.used = now;
  if (e.kept || !e.resolved()) return;
  static_cast<ListHook<ByAge>&>(e).unlink();
  resolved_.push_back(e);
}

void Neighbours::solicit(Entry& e, Time now) {
  const bool known = e.state == State::kProbe && e.solicits < kUnicastSolicits;
  ++e.solicits;
  link_.solicit(e.address, known ? e.mac : kBroadcast);
  wheel_.arm(e.timer, now + kRetransTime);
}

const Mac* Neighbours::known(const Address& address, Time now) {
  Entry* e = find(address);
  if (e == nullptr || !e->known()) return nullptr;
  note_use(*e, now);
  return &e->mac;
}

const Mac* Neighbours::lookup(const Address& address, Time now, Entry** entry) {
  *entry = nullptr;
  Entry* e = find(address);
  if (e == nullptr) {
    e = &create(address, State::kIncomplete);
    solicit(*e, now);
  }
  note_use(*e, now);
  switch (e->state) {
    case State::kReachable:
    case State::kProbe:
      return &e->mac;
    case State::kStale:  // in use again: confirm the address, and meanwhile use it
      set_state(*e, State::kProbe);
      e->solicits = 0;
      solicit(*e, now);
      return &e->mac;
    case State::kIncomplete:
      *entry = e;
      return nullptr;
    case State::kFailed:
      ++undelivered_;
      return nullptr;
  }
  return nullptr;
}

void Neighbours::drop_oldest(Entry& e) {
  e.waiting.erase(e.waiting.begin());
  --waiting_[e.kept];
  ++undelivered_;
  if (e.waiting.empty()) static_cast<ListHook<ByWait>&>(e).unlink();
}

void Neighbours::wait(Entry& e, buf::Slice frame) {
  assert(e.state == State::kIncomplete);
  const WaitingLimits& limits = e.kept ? kKeptWaiting : kStrangersWaiting;
  if (e.waiting.size() >= limits.each) {
    drop_oldest(e);
  } else if (waiting_[e.kept] >= limits.in_all) {
    drop_oldest(waiters_[e.kept].front());
  }
  if (e.waiting.empty()) waiters_[e.kept].push_back(e);
  e.waiting.push_back(std::move(frame));
  ++waiting_[e.kept];
}

std::vector<buf::Slice> Neighbours::take_waiting(Entry& e) {
  waiting_[e.kept] -= e.waiting.size();
  static_cast<ListHook<ByWait>&>(e).unlink();
  return std::exchange(e.waiting, {});
}

void Neighbours::confirm(const Address& address, Time now) {
  if (Entry* e = find(address); e != nullptr && e->state == State::kProbe)
    learn(address, Mac(e->mac), false, true, now);
}

void Neighbours::doubt(const Address& address, Time now) {
  Entry* e = find(address);
  if (e == nullptr || (e->state != State::kReachable && e->state != State::kStale) ||
      now - e->confirmed < kDoubtAfter)
    return;
  set_state(*e, State::kProbe);
  e->solicits = 0;
  solicit(*e, now);
}

void Neighbours::learn(const Address& address, const Mac& mac, bool may_create, bool solicited,
                       Time now, bool overrides) {
  Entry* e = find(address);
  const bool fresh = e == nullptr;
  if (fresh) {
    if (!may_create) return;
    e = &create(address, State::kStale);
    e->used = now;
  }
  if (!fresh && !overrides && e->mac != mac && e->resolved()) {
    // Two nodes claim different addresses: the known one must be confirmed when it is next used.
    if (e->state == State::kReachable) {
      set_state(*e, State::kStale);
      wheel_.arm(e->timer, now + kStaleTime);
    }
    return;
  }
  // An unsolicited advertisement replaces the address but proves nothing (RFC 4861, 7.2.5).
  const bool proven = solicited || (!fresh && e->state == State::kIncomplete);
  const bool same = e->mac == mac;
  if (!same) ++generation_;
  e->mac = mac;
  e->solicits = 0;
  if (proven) {
    e->confirmed = now;
    if (Kept* k = kept(address); k != nullptr && std::exchange(k->lost, false))
      link_.tell(address, true);
  }
  if (proven || (same && e->state == State::kReachable)) {
    set_state(*e, State::kReachable);
    wheel_.arm(e->timer, now + kReachableTime);
  } else {
    set_state(*e, State::kStale);
    wheel_.arm(e->timer, now + kStaleTime);
  }
  for (buf::Slice& frame : take_waiting(*e)) link_.release(std::move(frame), mac);
}

void Neighbours::on_timer(Entry& e, Time now) {
  switch (e.state) {
    case State::kIncomplete:
    case State::kProbe:
      if (e.solicits < kMaxSolicits) {
        solicit(e, now);
        return;
      }
      undelivered_ += take_waiting(e).size();
      set_state(e, State::kFailed);
      wheel_.arm(e.timer, now + kFailedTime);
      if (Kept* k = kept(e.address); k != nullptr && !std::exchange(k->lost, true))
        link_.tell(e.address, false);
      return;
    case State::kReachable:
      set_state(e, State::kStale);
      wheel_.arm(e.timer, now + kStaleTime);
      return;
    case State::kStale:
      if (now - e.used < kStaleTime) {
        wheel_.arm(e.timer, e.used + kStaleTime);
        return;
      }
      erase(e);
      return;
    case State::kFailed:
      erase(e);
      return;
  }
}

}  // namespace sluice::ip
