#include "tcp/receive_queue.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace sluice::tcp {

namespace {

// Writes behind the last byte in the buffer of `to`. Other owners of the buffer do not look there.
void write_behind(buf::Slice& to, const buf::Slice& from) {
  std::memcpy(const_cast<uint8_t*>(to.data()) + to.size(), from.data(), from.size());
  to.grow_back(from.size());
}

}  // namespace

uint32_t ReceiveQueue::insert(ReceiveQueues& all, Seq seq, buf::Slice slice, uint32_t max_buffers,
                              Time now) {
  if (!all.make_room()) {
    ++all.counters_.memory_drops;
    return 0;
  }
  if (held_ == nullptr) held_ = all.open(*this, now);
  Islands& islands = held_->islands;
  const Seq end = seq + slice.size();
  auto next = islands.upper_bound(seq);
  if (next != islands.begin()) {
    Island& at = *std::prev(next);
    if (at.end > seq) {
      const Seq covered = std::min(at.end, end);
      slice.drop_front(static_cast<uint32_t>(covered - seq));
      seq = covered;
      if (slice.size() == 0) {  // a duplicate is reported first too (RFC 2018, 4)
        static_cast<ListHook<ByNews>&>(at).unlink();
        held_->news.push_front(at);
      }
    }
  }
  // Fill every gap between islands that the segment spans.
  uint32_t kept = 0;
  while (slice.size() > 0) {
    if (next == islands.end() || next->begin >= seq + slice.size()) {
      const uint32_t n = slice.size();
      if (keep(seq, std::move(slice), next, max_buffers, now)) kept += n;
      break;
    }
    const auto after = std::next(next);
    const auto gap = static_cast<uint32_t>(next->begin - seq);
    const Seq next_end = next->end;
    if (gap > 0 && keep(seq, slice.share(0, gap), next, max_buffers, now)) kept += gap;
    const auto covered = static_cast<uint32_t>(std::min<uint64_t>(slice.size(), next_end - seq));
    slice.drop_front(covered);
    seq += covered;
    next = after;
  }
  if (islands.empty()) {
    clear();
  } else {
    all.measure(*held_);
  }
  return kept;
}

// Whether [seq, seq + size) touches no island's bytes; `before` is the first island behind it.
bool ReceiveQueue::keep(Seq seq, buf::Slice slice,
                        Islands::iterator before,  // NOLINT(performance-unnecessary-value-param)
                        uint32_t max_buffers, Time now) {
  Islands& islands = held_->islands;
  const Seq end = seq + slice.size();
  Island* previous = before == islands.begin() ? nullptr : &*std::prev(before);
  if (previous != nullptr && previous->end != seq) previous = nullptr;
  Island* next = before == islands.end() || before->begin != end ? nullptr : &*before;
  if (previous == nullptr && next == nullptr &&
      islands.size() >= held_->all.config_.max_out_of_order_ranges) {
    ++held_->all.counters_.out_of_order_dropped;
    return false;
  }
  Piece* const last = previous != nullptr ? previous->last : nullptr;
  Piece* const piece = make_piece(std::move(slice), last, max_buffers);
  if (piece == nullptr) return false;
  Island* island = previous;
  if (previous != nullptr) {
    if (piece != last) {
      last->next = piece;
      previous->last = piece;
    }
    previous->end = end;
    if (next != nullptr) {
      previous->last->next = next->first;
      previous->last = next->last;
      previous->end = next->end;
      previous->since = std::min(previous->since, next->since);
      next->first = nullptr;
      destroy(*next);
    }
  } else if (next != nullptr) {
    piece->next = next->first;
    next->first = piece;
    next->begin = seq;  // still behind the island before it
    island = next;
  } else {
    island = held_->all.islands_.create();
    island->begin = seq;
    island->end = end;
    island->since = now;
    island->first = island->last = piece;
    islands.insert(before, *island);
  }
  static_cast<ListHook<ByNews>&>(*island).unlink();
  held_->news.push_front(*island);
  return true;
}

// A record for `slice`: `behind` itself, grown, where the bytes fit its buffer. nullptr, counted,
// beyond a limit or without memory.
Piece* ReceiveQueue::make_piece(buf::Slice slice, const Piece* behind, uint32_t max_buffers) {
  const uint32_t n = slice.size();
  if (n <= kCopyBreak) {
    auto* last = const_cast<Piece*>(behind);
    if (last != nullptr && last->slice.tailroom() >= n) {
      if (last->packed == nullptr && !last->slice.shared()) {
        write_behind(last->slice, slice);
        return last;
      }
      if (last->packed != nullptr && last->packed == held_->packing &&
          last->slice.data() + last->slice.size() ==
              last->packed->bytes.data() + last->packed->bytes.size()) {
        write_behind(last->packed->bytes, slice);
        last->slice.grow_back(n);
        return last;
      }
    }
    return pack(slice, max_buffers);
  }
  if (held_->cost() >= max_buffers) {
    ++held_->all.counters_.out_of_order_dropped;
    return nullptr;
  }
  buf::Slice kept = held_->all.memory_.retain(std::move(slice));
  if (!kept) {
    ++held_->all.counters_.memory_drops;
    return nullptr;
  }
  ++held_->buffers;
  ++held_->pieces;
  return held_->all.pieces_.create(std::move(kept), nullptr);
}

Piece* ReceiveQueue::pack(const buf::Slice& slice, uint32_t max_buffers) {
  if (held_->cost() >= max_buffers) {
    ++held_->all.counters_.out_of_order_dropped;
    return nullptr;
  }
  Packed* to = held_->packing;
  if (to == nullptr || to->bytes.tailroom() < slice.size()) {
    buf::Slice fresh = held_->all.memory_.alloc();
    if (!fresh || fresh.tailroom() < slice.size()) {
      ++held_->all.counters_.memory_drops;
      return nullptr;
    }
    to = held_->packing = held_->all.packed_.create();
    to->bytes = std::move(fresh);
    ++held_->buffers;
  }
  const uint32_t at = to->bytes.size();
  write_behind(to->bytes, slice);
  ++to->pieces;
  ++held_->pieces;
  return held_->all.pieces_.create(to->bytes.share(at, slice.size()), to);
}

void ReceiveQueue::release(Piece* piece) {
  if (piece->packed == nullptr) {
    --held_->buffers;
  } else if (--piece->packed->pieces == 0) {
    if (held_->packing == piece->packed) held_->packing = nullptr;
    held_->all.packed_.destroy(piece->packed);
    --held_->buffers;
  }
  --held_->pieces;
  held_->all.pieces_.destroy(piece);
}

void ReceiveQueue::destroy(Island& island) {
  while (Piece* p = island.first) {
    island.first = p->next;
    release(p);
  }
  held_->islands.erase(held_->islands.iterator_to(island));
  held_->all.islands_.destroy(&island);
}

buf::Slice ReceiveQueue::pop(Seq rcv_nxt) {
  while (held_ != nullptr) {
    Island& first = *held_->islands.begin();
    if (first.begin > rcv_nxt) return {};
    Piece* p = first.first;
    buf::Slice slice = std::move(p->slice);
    first.first = p->next;
    release(p);
    const Seq begin = first.begin;
    first.begin += slice.size();  // still before the island behind it
    if (first.begin == first.end) destroy(first);
    if (held_->islands.empty()) {
      clear();
    } else {
      held_->all.measure(*held_);
    }
    if (begin + slice.size() > rcv_nxt) {
      slice.drop_front(static_cast<uint32_t>(rcv_nxt - begin));
      return slice;
    }
  }
  return {};
}

bool ReceiveQueue::covers(Seq begin, Seq end) const {
  if (held_ == nullptr) return false;
  const auto behind = held_->islands.upper_bound(begin);
  return behind != held_->islands.begin() && std::prev(behind)->end >= end;
}

size_t ReceiveQueue::sack_blocks(std::span<SackBlock> out) const {
  size_t n = 0;
  if (held_ == nullptr) return 0;
  for (Island& i : held_->news) {
    if (n == out.size()) break;
    out[n++] = {wire(i.begin), wire(i.end)};
  }
  return n;
}

void ReceiveQueue::clear() {
  if (held_ == nullptr) return;
  while (!held_->islands.empty()) destroy(*held_->islands.begin());
  Held& held = *std::exchange(held_, nullptr);
  held.all.close(held);
}

// Whether the gap before some island has not closed for too long. For a peer that makes new islands
// all the time, the search for old ones is no more frequent than the age requires.
void ReceiveQueue::expire(Time now) {
  const Duration age = held_->all.config_.out_of_order_age;
  Time oldest = kNever;
  for (auto i = held_->islands.begin(); i != held_->islands.end();) {
    Island& island = *i++;
    if (island.since + age <= now) {
      ++held_->all.counters_.out_of_order_expired;
      destroy(island);
    } else {
      oldest = std::min(oldest, island.since);
    }
  }
  if (held_->islands.empty()) {
    clear();
    return;
  }
  held_->all.measure(*held_);
  held_->all.wheel_.arm(held_->age_timer, std::max(oldest + age, now + age / 8));
}

}  // namespace sluice::tcp
