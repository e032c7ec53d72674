#pragma once
// Data that arrived ahead of a gap, and what the peer is told about it (SACK, RFC 2018; D-SACK,
// RFC 2883). In-order data never enters.

#include <cstdint>
#include <span>

#include "base/chrono.h"
#include "buf/slice.h"
#include "tcp/header.h"
#include "tcp/receive_queues.h"
#include "tcp/sequence.h"

namespace sluice::tcp {

// Of one connection. What the peer makes it keep is bounded in packet buffers, whatever sizes it
// comes in: pieces up to kCopyBreak bytes are copied together. What is kept may be dropped again:
// when the gap does not close within Config::out_of_order_age, and first of all when memory is
// short.
class ReceiveQueue {
 public:
  // Half a buffer: longer pieces keep the one that they were received in, so that each buffer holds
  // at least so many bytes.
  static constexpr uint32_t kCopyBreak = 1024;

  ReceiveQueue() = default;
  ~ReceiveQueue() { clear(); }
  ReceiveQueue(const ReceiveQueue&) = delete;

  bool empty() const { return held_ == nullptr; }
  uint32_t islands() const {
    return held_ == nullptr ? 0 : static_cast<uint32_t>(held_->islands.size());
  }
  // Packet buffers held, records included as what they are worth in buffers.
  uint32_t buffers() const { return held_ == nullptr ? 0 : held_->cost(); }

  // Keeps what of [seq, seq + slice.size()) is new; slice is as it was received. Returns the bytes
  // kept. What would exceed max_buffers or Config::max_out_of_order_ranges, or finds no memory, is
  // dropped and counted.
  uint32_t insert(ReceiveQueues& all, Seq seq, buf::Slice slice, uint32_t max_buffers, Time now);

  // Takes the piece that continues at rcv_nxt, cut to what is new; empty when there is a gap.
  buf::Slice pop(Seq rcv_nxt);

  // Every byte of [begin, end) is here already.
  bool covers(Seq begin, Seq end) const;

  // The islands as SACK blocks, the latest news first (RFC 2018, 4). Returns the count.
  size_t sack_blocks(std::span<SackBlock> out) const;

  void clear();

 private:
  friend class ReceiveQueues;
  using Islands = decltype(Held::islands);

  bool keep(Seq seq, buf::Slice slice, Islands::iterator before, uint32_t max_buffers, Time now);
  Piece* make_piece(buf::Slice slice, const Piece* behind, uint32_t max_buffers);
  Piece* pack(const buf::Slice& slice, uint32_t max_buffers);
  void destroy(Island& island);
  void release(Piece* piece);
  void expire(Time now);

  Held* held_ = nullptr;
};

}  // namespace sluice::tcp
