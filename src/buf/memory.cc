#include "buf/memory.h"

#include <cstring>
#include <utility>

namespace sluice::buf {

void Memory::refresh() {
  ++turn_;
  rx_free_ = rx_.available();
  hold_free_ = hold_.available();
}

Slice Memory::retain(Slice s) {
  if (s.mbuf()->pool != rx_.mempool()) return retain_other(std::move(s));
  if (rx_free_ > pin_above_) {
    --rx_free_;  // an estimate until the next refresh, on the safe side
    ++pinned_;
    return s;
  }
  return copy(s);
}

Chain Memory::retain(Chain packet) {
  if (packet.single()) [[likely]] {
    Slice s = packet.pop_front();
    // An ACK that is lost frees nothing: short packets may use the reserve.
    const bool is_short = s.size() <= kShortPacket && s.mbuf()->pool == rx_.mempool();
    if (!is_short || rx_free_ > pin_above_ || hold_free_ > hold_reserve_)
      return retain(std::move(s));
    return copy_into(hold_.alloc(), s);
  }
  if (packet.front().mbuf()->pool != rx_.mempool()) return packet;
  uint32_t buffers = 0;
  packet.for_each([&](View) { ++buffers; });
  if (rx_free_ < pin_above_ + buffers) {
    refused_ += buffers;
    return {};
  }
  rx_free_ -= buffers;
  pinned_ += buffers;
  return packet;
}

// The pool of another worker is asked at the first of its packets in a turn. What lies in caches of
// workers does not count as free.
Slice Memory::retain_other(Slice s) {
  for (Other& o : others_) {
    if (s.mbuf()->pool != o.pool.mempool()) continue;
    if (o.looked_at != turn_) {
      o.looked_at = turn_;
      o.free = o.pool.available();
    }
    if (o.free <= pin_above_) return copy(s);
    --o.free;
    ++pinned_;
    return s;
  }
  // What another worker has copied counts against that worker's hold pool, which this one may not
  // keep.
  return s.mbuf()->pool == hold_.mempool() ? std::move(s) : copy(s);
}

Slice Memory::copy(const Slice& s) {
  return copy_into(alloc(), s);
}

Slice Memory::copy_into(Slice fresh, const Slice& s) {
  if (fresh && fresh.tailroom() >= s.size()) {
    std::memcpy(fresh.mutable_data(), s.data(), s.size());
    fresh.grow_back(s.size());
    ++copied_;
    return fresh;
  }
  ++refused_;
  return {};
}

Slice Memory::alloc() {
  if (hold_free_ <= hold_reserve_) return {};
  Slice fresh = hold_.alloc();
  if (fresh) --hold_free_;
  return fresh;
}

}  // namespace sluice::buf
