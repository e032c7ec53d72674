#pragma once
// The packet memory that a worker may keep. Received packets live in the pool that the NIC refills
// from. Kept data must never starve that pool, or the ACKs that would free the data cannot arrive.

#include <cstdint>
#include <vector>

#include "buf/chain.h"
#include "buf/pool.h"
#include "buf/slice.h"

namespace sluice::buf {

// Watermarks, in buffers of the receive pool. Above `pin_above` free buffers payload stays where it
// was received. Below, payload is copied into the hold pool and the packet is given back.
class Memory {
 public:
  // rx: the pool of received packets. hold: the pool of copies and of bytes written by Sluice.
  // pin_above: with fewer free receive buffers nothing more is pinned; at least the descriptors of
  // all receive rings on that pool and one burst. hold_reserve: with fewer free hold buffers
  // retain() refuses, so that headers and control frames still find room.
  Memory(Pool rx, Pool hold, uint32_t pin_above, uint32_t hold_reserve)
      : rx_(rx),
        hold_(hold),
        pin_above_(pin_above),
        hold_reserve_(hold_reserve),
        hold_half_(hold.size() / 2) {
    refresh();
  }

  // The receive pools of other workers, whose packets reach this worker by hand-over. Such a packet
  // counts against the pool that it came from, by the same watermark.
  void set_others(const std::vector<Pool>& pools) {
    for (const Pool& pool : pools) others_.push_back({pool});
  }

  // Once a loop turn: reads the number of free buffers.
  void refresh();

  // The same bytes, safe to keep for any time. Empty when there is no memory: the caller drops the
  // bytes as if they had been lost on the wire, and counts them.
  Slice retain(Slice s);
  // As retain(), for a packet that another worker takes. A packet in several buffers is never
  // copied: it stays where it is, or is dropped. A packet of at most kShortPacket bytes may use the
  // reserve.
  static constexpr uint32_t kShortPacket = 256;
  Chain retain(Chain packet);
  // An empty buffer for bytes that are kept. Empty (false) when retain() would refuse.
  Slice alloc();

  Pool& hold() { return hold_; }
  // False while the hold pool is below its reserve: no window should open then.
  bool roomy() const { return hold_free_ > hold_reserve_ * 2; }
  uint32_t buffers() const { return rx_.size() + hold_.size(); }  // of both pools
  // The free buffers above half of the hold pool. Memory that only makes something faster may grow
  // by these.
  uint32_t plenty() const { return hold_free_ > hold_half_ ? hold_free_ - hold_half_ : 0; }
  // More than half of the hold pool is free (the reserve is an eighth): windows may grow.
  bool ample() const { return hold_free_ > hold_reserve_ * 4; }
  uint32_t rx_free() const { return rx_free_; }
  uint32_t hold_free() const { return hold_free_; }
  uint64_t pinned() const { return pinned_; }    // slices ever kept in place
  uint64_t copied() const { return copied_; }    // slices ever copied
  uint64_t refused() const { return refused_; }  // slices ever refused

 private:
  struct Other {
    Pool pool;
    uint32_t free = 0;  // at the turn of the last look
    uint64_t looked_at = 0;
  };

  Slice retain_other(Slice s);
  Slice copy(const Slice& s);
  Slice copy_into(Slice fresh, const Slice& s);

  Pool rx_;
  Pool hold_;
  std::vector<Other> others_;
  uint64_t turn_ = 0;
  uint32_t pin_above_;
  uint32_t hold_reserve_;
  uint32_t hold_half_;
  uint32_t rx_free_ = 0;
  uint32_t hold_free_ = 0;
  uint64_t pinned_ = 0;
  uint64_t copied_ = 0;
  uint64_t refused_ = 0;
};

}  // namespace sluice::buf
