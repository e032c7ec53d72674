#include "tcp/scoreboard.h"

#include <cassert>

namespace sluice::tcp {

void Scoreboard::sent(Seq begin, Seq end, Time now) {
  assert(begin < end && (empty() || last()->end == begin));
  if (order_ == nullptr) order_ = pool_.orders_.create();
  Segment* s = pool_.segments_.create();
  s->begin = begin;
  s->end = end;
  s->sent = now;
  order_->segments.push_back(*s);
  order_->in_flight.push_back(*s);
  total_ += static_cast<uint32_t>(end - begin);
}

void Scoreboard::mark_lost(Segment& s, bool urgent) {
  assert(s.state == State::kInFlight);
  static_cast<ListHook<ByTime>&>(s).unlink();
  s.state = State::kLost;
  lost_ += static_cast<uint32_t>(s.end - s.begin);
  if (urgent) {
    order_->lost.push_front(s);
  } else {
    order_->lost.push_back(s);
  }
}

void Scoreboard::hurry(Segment& s) {
  assert(s.state == State::kLost);
  static_cast<ListHook<ByTime>&>(s).unlink();
  order_->lost.push_front(s);
}

void Scoreboard::resent(Segment& s, Seq sent_end, Time now) {
  assert(s.begin < sent_end && sent_end <= s.end);
  if (sent_end < s.end) {
    assert(s.state == State::kLost);
    Segment* rest = pool_.segments_.create();
    rest->begin = sent_end;
    rest->end = s.end;
    rest->sent = s.sent;
    rest->state = State::kLost;
    rest->retransmitted = s.retransmitted;
    s.end = sent_end;
    if (Segment* next = order_->segments.next(s)) {
      order_->segments.insert_before(*next, *rest);
    } else {
      order_->segments.push_back(*rest);
    }
    order_->lost.push_front(*rest);
  }
  static_cast<ListHook<ByTime>&>(s).unlink();
  if (s.state == State::kLost) lost_ -= static_cast<uint32_t>(s.end - s.begin);
  s.state = State::kInFlight;
  s.retransmitted = true;
  s.sent = now;
  order_->in_flight.push_back(s);
}

void Scoreboard::drop(Segment& s) {
  const auto n = static_cast<uint32_t>(s.end - s.begin);
  total_ -= n;
  if (s.state == State::kSacked) sacked_ -= n;
  if (s.state == State::kLost) lost_ -= n;
  if (order_->hint == &s) order_->hint = order_->segments.next(s);
  if (order_->highest == &s) order_->highest = nullptr;
  pool_.segments_.destroy(&s);
}

// The segment nearest to `begin` among those whose place is known.
Scoreboard::Segment* Scoreboard::nearest(Seq begin) {
  const auto distance = [begin](const Segment& s) {
    return s.begin < begin ? begin - s.begin : s.begin - begin;
  };
  if (empty()) return nullptr;
  Segment* nearest = first();
  for (Segment* s : {last(), order_->highest, order_->hint})
    if (s != nullptr && distance(*s) < distance(*nearest)) nearest = s;
  return nearest;
}

// The first segment that begins at or behind `begin`. nullptr when there is none, or when it is
// more than `steps` away; the next search then goes on from where this search stopped.
Scoreboard::Segment* Scoreboard::find(Seq begin, uint32_t& steps) {
  Segment* s = nearest(begin);
  if (s == nullptr) return nullptr;
  const bool forward = s->begin < begin;
  for (; steps > 0; --steps) {
    order_->hint = s;
    Segment* const to = forward ? order_->segments.next(*s) : order_->segments.previous(*s);
    if (!forward && (to == nullptr || to->begin < begin)) return s;
    if (to == nullptr) return nullptr;
    s = to;
    if (forward && s->begin >= begin) return s;
  }
  order_->hint = s;
  return nullptr;
}

// Runs of SACKed segments become one record, so the length of a walk is the number of holes.
void Scoreboard::merge_sacked(Segment& s) {
  if (Segment* p = order_->segments.previous(s); p != nullptr && p->state == State::kSacked) {
    s.begin = p->begin;
    absorb(s, *p);
  }
  if (Segment* n = order_->segments.next(s); n != nullptr && n->state == State::kSacked) {
    s.end = n->end;
    absorb(s, *n);
  }
}

void Scoreboard::absorb(Segment& s, Segment& neighbour) {
  if (order_->hint == &neighbour) order_->hint = &s;
  if (order_->highest == &neighbour) order_->highest = &s;
  pool_.segments_.destroy(&neighbour);
}

void Scoreboard::restore_lost() {
  if (empty()) return;
  while (!order_->lost.empty()) {
    Segment& s = order_->lost.back();
    static_cast<ListHook<ByTime>&>(s).unlink();
    s.state = State::kInFlight;
    order_->in_flight.push_front(s);
  }
  lost_ = 0;
}

void Scoreboard::forget_sacks() {
  if (empty()) return;
  for (Segment& s : order_->segments) {
    if (s.state != State::kSacked) continue;
    s.state = State::kInFlight;
    sacked_ -= static_cast<uint32_t>(s.end - s.begin);
    mark_lost(s);
  }
  order_->highest_sacked = 0;
  order_->highest = nullptr;
}

void Scoreboard::clear() {
  while (!empty()) drop(*first());
}

void Scoreboard::shrink() {
  if (!empty() || order_ == nullptr || order_->rack.learned()) return;
  pool_.orders_.destroy(order_);
  order_ = nullptr;
}

}  // namespace sluice::tcp
