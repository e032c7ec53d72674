#include "tcp/receive_queue.h"

#include <algorithm>
#include <cstring>

namespace sluice::tcp {

// Copies a small piece into the spare room behind the last one instead of keeping its buffer: a
// flood of tiny segments must not pin a packet buffer each.
bool ReceiveQueue::append(List<Piece>& to, buf::Slice slice, bool front, uint32_t max_pieces) {
  constexpr uint32_t kCopyBreak = 256;  // bytes: below it a copy is cheaper than a buffer
  if (!front && !to.empty() && slice.size() <= kCopyBreak) {
    buf::Slice& last = to.back().slice;
    if (!last.shared() && last.tailroom() >= slice.size()) {
      std::memcpy(last.mutable_data() + last.size(), slice.data(), slice.size());
      last.grow_back(slice.size());
      return true;
    }
  }
  if (piece_count_ >= max_pieces) return false;
  Piece* p = pools_.pieces.create(std::move(slice));
  if (p == nullptr) return false;
  if (front) {
    to.push_front(*p);
  } else {
    to.push_back(*p);
  }
  ++piece_count_;
  return true;
}

uint32_t ReceiveQueue::insert(Seq seq, buf::Slice slice, uint32_t max_islands,
                              uint32_t max_pieces) {
  uint32_t kept = 0;
  const Seq end = seq + slice.size();
  // Most arrivals extend the last island; searching from the back finds it at once.
  Island* at = islands_.empty() ? nullptr : &islands_.back();
  while (at != nullptr && at->begin > seq) at = islands_.previous(*at);
  Island* next =
      at != nullptr ? islands_.next(*at) : (islands_.empty() ? nullptr : &islands_.front());
  if (at != nullptr && at->end > seq) {
    const Seq covered = std::min(at->end, end);
    slice.drop_front(static_cast<uint32_t>(covered - seq));
    seq = covered;
    if (slice.size() == 0) {  // a duplicate is news too: RFC 2018, 4 wants it reported first
      static_cast<ListHook<ByNews>&>(*at).unlink();
      news_.push_front(*at);
    }
  }
  // Fill every gap between islands that the segment spans.
  while (slice.size() > 0) {
    if (next != nullptr && next->begin < seq + slice.size()) {
      Island* const after = islands_.next(*next);
      const auto gap = static_cast<uint32_t>(next->begin - seq);
      const Seq next_end = next->end;
      if (gap > 0) {
        buf::Slice piece = slice.share(0, gap);
        insert_new(seq, std::move(piece), next, max_islands, max_pieces, kept);
      }
      const auto covered = static_cast<uint32_t>(std::min<uint64_t>(slice.size(), next_end - seq));
      slice.drop_front(covered);
      seq += covered;
      next = after;
    } else {
      insert_new(seq, std::move(slice), next, max_islands, max_pieces, kept);
      break;
    }
  }
  return kept;
}

// [seq, seq + size) touches no island's bytes; `before` is the first island behind it.
void ReceiveQueue::insert_new(Seq seq, buf::Slice slice, Island* before, uint32_t max_islands,
                              uint32_t max_pieces, uint32_t& kept) {
  const uint32_t n = slice.size();
  const Seq end = seq + n;
  Island* previous = before != nullptr ? islands_.previous(*before)
                                       : (islands_.empty() ? nullptr : &islands_.back());
  Island* island = nullptr;
  if (previous != nullptr && previous->end == seq) {
    if (!append(previous->pieces, std::move(slice), false, max_pieces)) return;
    previous->end = end;
    island = previous;
    if (before != nullptr && before->begin == end) {
      previous->end = before->end;
      previous->pieces.splice_back(before->pieces);
      destroy(*before);
    }
  } else if (before != nullptr && before->begin == end) {
    if (!append(before->pieces, std::move(slice), true, max_pieces)) return;
    before->begin = seq;
    island = before;
  } else {
    if (island_count_ >= max_islands) return;
    island = pools_.islands.create();
    if (island == nullptr) return;
    if (!append(island->pieces, std::move(slice), false, max_pieces)) {
      pools_.islands.destroy(island);
      return;
    }
    island->begin = seq;
    island->end = end;
    ++island_count_;
    if (before != nullptr) {
      islands_.insert_before(*before, *island);
    } else {
      islands_.push_back(*island);
    }
  }
  static_cast<ListHook<ByNews>&>(*island).unlink();
  news_.push_front(*island);
  kept += n;
}

void ReceiveQueue::destroy(Island& island) {
  while (Piece* p = island.pieces.pop_front()) {
    pools_.pieces.destroy(p);
    --piece_count_;
  }
  --island_count_;
  pools_.islands.destroy(&island);
}

buf::Slice ReceiveQueue::pop(Seq rcv_nxt) {
  while (!islands_.empty()) {
    Island& first = islands_.front();
    if (first.begin > rcv_nxt) return {};
    Piece* p = first.pieces.pop_front();
    buf::Slice slice = std::move(p->slice);
    pools_.pieces.destroy(p);
    --piece_count_;
    const Seq begin = first.begin;
    first.begin += slice.size();
    if (first.begin == first.end) destroy(first);
    if (begin + slice.size() > rcv_nxt) {
      slice.drop_front(static_cast<uint32_t>(rcv_nxt - begin));
      return slice;
    }
  }
  return {};
}

bool ReceiveQueue::covers(Seq begin, Seq end) {
  for (Island* i = islands_.empty() ? nullptr : &islands_.back(); i != nullptr;
       i = islands_.previous(*i)) {
    if (i->begin <= begin) return i->end >= end;
  }
  return false;
}

size_t ReceiveQueue::sack_blocks(std::span<SackBlock> out) {
  size_t n = 0;
  for (Island& i : news_) {
    if (n == out.size()) break;
    out[n++] = {wire(i.begin), wire(i.end)};
  }
  return n;
}

void ReceiveQueue::clear() {
  while (!islands_.empty()) destroy(islands_.front());
}

}  // namespace sluice::tcp
