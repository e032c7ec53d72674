#include "buf/queue.h"

#include <algorithm>
#include <cstring>

namespace sluice::buf {

namespace {
constexpr uint32_t kFirstCapacity = 4;
// A ring larger than this is freed when it empties: 8 KiB, for a send buffer full of segments.
constexpr uint32_t kKeepCapacity = 256;
}  // namespace

void Queue::push(Slice s) {
  if (count_ == capacity_) {
    const uint32_t larger = capacity_ == 0 ? kFirstCapacity : capacity_ * 2;
    auto ring = std::make_unique<Entry[]>(larger);
    for (uint32_t i = 0; i < count_; ++i) ring[i] = std::move(at(i));
    ring_ = std::move(ring);
    capacity_ = larger;
    head_ = 0;
  }
  const uint32_t n = s.size();
  Entry& e = at(count_++);
  e.slice = std::move(s);
  e.position = end_;
  end_ += n;
}

void Queue::append(Slice s) {
  if (s.size() == 0) return;
  push(std::move(s));
  tail_writable_ = false;
}

uint8_t* Queue::append_space(uint32_t n, Pool& pool) {
  assert(n <= kMaxContiguous);
  if (!tail_writable_ || count_ == 0 || at(count_ - 1).slice.tailroom() < n) {
    Slice fresh = pool.alloc();
    if (!fresh || fresh.tailroom() < n) return nullptr;
    push(std::move(fresh));
    tail_writable_ = true;
  }
  Slice& tail = at(count_ - 1).slice;
  uint8_t* p = const_cast<uint8_t*>(tail.data()) + tail.size();
  tail.grow_back(n);
  end_ += n;
  return p;
}

bool Queue::append_copy(View bytes, Pool& pool) {
  const uint64_t before = end_;
  while (!bytes.empty()) {
    uint32_t room = tail_writable_ && count_ != 0
                        ? std::min(at(count_ - 1).slice.tailroom(), kMaxContiguous)
                        : 0;
    if (room == 0) room = kMaxContiguous;
    const auto n = static_cast<uint32_t>(std::min<size_t>(bytes.size(), room));
    uint8_t* p = append_space(n, pool);
    if (p == nullptr) {
      while (end_ > before) {
        Slice& tail = at(count_ - 1).slice;
        const auto cut = static_cast<uint32_t>(std::min<uint64_t>(end_ - before, tail.size()));
        drop_back(cut);
      }
      return false;
    }
    std::memcpy(p, bytes.data(), n);
    bytes = bytes.subspan(n);
  }
  return true;
}

void Queue::drop_back(uint32_t n) {
  Entry& e = at(count_ - 1);
  assert(n <= e.slice.size());
  e.slice.drop_back(n);
  end_ -= n;
  if (e.slice.size() == 0) {
    e.slice.reset();
    --count_;
    tail_writable_ = false;
  }
}

void Queue::trim_to(uint64_t position) {
  assert(position >= begin_ && position <= end_);
  while (count_ > 0) {
    Entry& e = at(0);
    const uint64_t entry_end = e.position + e.slice.size();
    if (entry_end > position) {
      const auto n = static_cast<uint32_t>(position - e.position);
      e.slice.drop_front(n);
      e.position += n;
      break;
    }
    e.slice.reset();
    head_ = (head_ + 1) & (capacity_ - 1);
    --count_;
  }
  begin_ = position;
  if (count_ == 0) {
    tail_writable_ = false;
    if (capacity_ > kKeepCapacity) shrink();
  }
}

void Queue::shrink() {
  if (count_ != 0) return;
  ring_.reset();
  capacity_ = head_ = 0;
}

void Queue::clear() {
  trim_to(end_);
}

Slice Queue::pop(uint32_t max) {
  if (count_ == 0) return {};
  Entry& e = at(0);
  const uint32_t n = std::min(max, e.slice.size());
  Slice out = n == e.slice.size() ? std::move(e.slice) : e.slice.split_front(n);
  begin_ += n;
  if (!e.slice) {
    head_ = (head_ + 1) & (capacity_ - 1);
    --count_;
    if (count_ == 0) tail_writable_ = false;
  } else {
    e.position += n;
    if (count_ == 1) tail_writable_ = false;  // the buffer is shared now
  }
  return out;
}

uint32_t Queue::find(uint64_t position) const {
  uint32_t lo = 0;
  uint32_t hi = count_;
  while (hi - lo > 1) {
    const uint32_t mid = (lo + hi) / 2;
    if (at(mid).position <= position) {
      lo = mid;
    } else {
      hi = mid;
    }
  }
  return lo;
}

}  // namespace sluice::buf
