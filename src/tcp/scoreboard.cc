#include "tcp/scoreboard.h"

#include <cassert>

namespace sluice::tcp {

void Scoreboard::sent(Seq begin, Seq end, Time now) {
  assert(begin < end && (segments_.empty() || segments_.back().end == begin));
  Segment* s = pool_.create();
  s->begin = begin;
  s->end = end;
  s->sent = now;
  segments_.push_back(*s);
  in_flight_.push_back(*s);
  total_ += static_cast<uint32_t>(end - begin);
}

void Scoreboard::mark_lost(Segment& s, bool urgent) {
  assert(s.state == State::kInFlight);
  static_cast<ListHook<ByTime>&>(s).unlink();
  s.state = State::kLost;
  lost_ += static_cast<uint32_t>(s.end - s.begin);
  if (urgent) {
    lost_list_.push_front(s);
  } else {
    lost_list_.push_back(s);
  }
}

void Scoreboard::hurry(Segment& s) {
  assert(s.state == State::kLost);
  static_cast<ListHook<ByTime>&>(s).unlink();
  lost_list_.push_front(s);
}

void Scoreboard::resent(Segment& s, Seq sent_end, Time now) {
  assert(s.begin < sent_end && sent_end <= s.end);
  if (sent_end < s.end) {
    assert(s.state == State::kLost);
    Segment* rest = pool_.create();
    rest->begin = sent_end;
    rest->end = s.end;
    rest->sent = s.sent;
    rest->state = State::kLost;
    rest->retransmitted = s.retransmitted;
    s.end = sent_end;
    if (Segment* next = segments_.next(s)) {
      segments_.insert_before(*next, *rest);
    } else {
      segments_.push_back(*rest);
    }
    lost_list_.push_front(*rest);
  }
  static_cast<ListHook<ByTime>&>(s).unlink();
  if (s.state == State::kLost) lost_ -= static_cast<uint32_t>(s.end - s.begin);
  s.state = State::kInFlight;
  s.retransmitted = true;
  s.sent = now;
  in_flight_.push_back(s);
}

void Scoreboard::drop(Segment& s) {
  const auto n = static_cast<uint32_t>(s.end - s.begin);
  total_ -= n;
  if (s.state == State::kSacked) sacked_ -= n;
  if (s.state == State::kLost) lost_ -= n;
  if (hint_ == &s) hint_ = segments_.next(s);
  if (highest_ == &s) highest_ = nullptr;
  pool_.destroy(&s);
}

// The segment nearest to `begin` among those whose place is known.
Scoreboard::Segment* Scoreboard::nearest(Seq begin) {
  const auto distance = [begin](const Segment& s) {
    return s.begin < begin ? begin - s.begin : s.begin - begin;
  };
  if (empty()) return nullptr;
  Segment* nearest = first();
  for (Segment* s : {last(), highest_, hint_})
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
    hint_ = s;
    Segment* const to = forward ? segments_.next(*s) : segments_.previous(*s);
    if (!forward && (to == nullptr || to->begin < begin)) return s;
    if (to == nullptr) return nullptr;
    s = to;
    if (forward && s->begin >= begin) return s;
  }
  hint_ = s;
  return nullptr;
}

// Runs of SACKed segments become one record, so the length of a walk is the number of holes.
void Scoreboard::merge_sacked(Segment& s) {
  if (Segment* p = segments_.previous(s); p != nullptr && p->state == State::kSacked) {
    s.begin = p->begin;
    absorb(s, *p);
  }
  if (Segment* n = segments_.next(s); n != nullptr && n->state == State::kSacked) {
    s.end = n->end;
    absorb(s, *n);
  }
}

void Scoreboard::absorb(Segment& s, Segment& neighbour) {
  if (hint_ == &neighbour) hint_ = &s;
  if (highest_ == &neighbour) highest_ = &s;
  pool_.destroy(&neighbour);
}

void Scoreboard::restore_lost() {
  while (!lost_list_.empty()) {
    Segment& s = lost_list_.back();
    static_cast<ListHook<ByTime>&>(s).unlink();
    s.state = State::kInFlight;
    in_flight_.push_front(s);
  }
  lost_ = 0;
}

void Scoreboard::forget_sacks() {
  for (Segment& s : segments_) {
    if (s.state != State::kSacked) continue;
    s.state = State::kInFlight;
    sacked_ -= static_cast<uint32_t>(s.end - s.begin);
    mark_lost(s);
  }
  highest_sacked_ = 0;
  highest_ = nullptr;
}

void Scoreboard::clear() {
  while (!segments_.empty()) drop(segments_.front());
}

}  // namespace sluice::tcp
