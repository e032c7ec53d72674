#include "ip/neighbours.h"

#include <utility>

namespace sluice::ip {

Neighbours::Entry::Entry(Neighbours& o, const Address& a)
    : owner(o),
      address(a),
      timer(
          [](void* self, Time now) {
            auto* e = static_cast<Entry*>(self);
            e->owner.on_timer(*e, now);
          },
          this) {}

Neighbours::Neighbours(NeighbourLink& link, TimerWheel& wheel)
    : link_(link), wheel_(wheel), entries_(kMaxEntries) {}

Neighbours::~Neighbours() {
  for (Bucket& b : buckets_)
    while (Entry* e = b.pop_front()) entries_.destroy(e);
}

Neighbours::Entry* Neighbours::find(const Address& address) {
  for (Entry& e : buckets_[hash_of(address) % kBuckets])
    if (e.address == address) return &e;
  return nullptr;
}

Neighbours::Entry* Neighbours::create(const Address& address) {
  Entry* e = entries_.create(*this, address);
  if (e != nullptr) buckets_[hash_of(address) % kBuckets].push_front(*e);
  return e;
}

void Neighbours::erase(Entry& e) {
  e.unlink();
  entries_.destroy(&e);
}

void Neighbours::solicit(Entry& e, Time now) {
  ++e.solicits;
  link_.solicit(e.address, e.state == State::kProbe ? e.mac : kBroadcast);
  wheel_.arm(e.timer, now + kRetransTime);
}

const Mac* Neighbours::lookup(const Address& address, Time now, Entry** entry) {
  *entry = nullptr;
  Entry* e = find(address);
  if (e == nullptr) {
    e = create(address);
    if (e == nullptr) return nullptr;
    solicit(*e, now);
  }
  e->used = now;
  switch (e->state) {
    case State::kReachable:
    case State::kProbe:
      return &e->mac;
    case State::kStale:  // in use again: confirm it, and meanwhile believe it
      e->state = State::kProbe;
      e->solicits = 0;
      solicit(*e, now);
      return &e->mac;
    case State::kIncomplete:
      *entry = e;
      return nullptr;
    case State::kFailed:
      return nullptr;
  }
  return nullptr;
}

bool Neighbours::wait(Entry& e, buf::Slice frame) {
  const size_t allowed = waiting_ < kMaxWaitingInAll ? kMaxWaiting : 1;
  const bool full = e.waiting.size() >= allowed;
  if (full)
    e.waiting.erase(e.waiting.begin());
  else
    ++waiting_;
  e.waiting.push_back(std::move(frame));
  return !full;
}

std::vector<buf::Slice> Neighbours::take_waiting(Entry& e) {
  waiting_ -= e.waiting.size();
  return std::exchange(e.waiting, {});
}

void Neighbours::confirm(const Address& address, Time now) {
  if (Entry* e = find(address); e != nullptr && e->state == State::kProbe)
    learn(address, Mac(e->mac), false, true, now);
}

void Neighbours::learn(const Address& address, const Mac& mac, bool may_create, bool solicited,
                       Time now, bool overrides) {
  Entry* e = find(address);
  const bool fresh = e == nullptr;
  if (fresh) {
    if (!may_create || (e = create(address)) == nullptr) return;
    e->used = now;
  }
  if (!fresh && !overrides && e->mac != mac && e->state != State::kIncomplete &&
      e->state != State::kFailed) {
    // Two say different things: whom we believed has to prove it when it is next used.
    if (e->state == State::kReachable) {
      e->state = State::kStale;
      wheel_.arm(e->timer, now + kStaleTime);
    }
    return;
  }
  // News that nobody asked for replaces the address but proves nothing (RFC 4861, 7.2.5).
  const bool proven = solicited || (!fresh && e->state == State::kIncomplete);
  const bool same = e->mac == mac;
  e->mac = mac;
  e->solicits = 0;
  if (proven || (same && e->state == State::kReachable)) {
    e->state = State::kReachable;
    wheel_.arm(e->timer, now + kReachableTime);
  } else {
    e->state = State::kStale;
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
      e.state = State::kFailed;
      take_waiting(e);
      wheel_.arm(e.timer, now + kFailedTime);
      return;
    case State::kReachable:
      e.state = State::kStale;
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
