#pragma once
// Data that arrived ahead of a gap, and the SACK blocks that tell the peer of it (SACK, RFC 2018;
// D-SACK, RFC 2883). In-order data never enters this queue.

#include <cstdint>
#include <span>

#include "base/chrono.h"
#include "buf/slice.h"
#include "tcp/header.h"
#include "tcp/receive_queues.h"
#include "tcp/sequence.h"

namespace sluice::tcp {

// The queue of one connection. Its memory is bounded in packet buffers, whatever the sizes of the
// segments: pieces up to kCopyBreak bytes are copied together. Data in the queue may be dropped
// again: when the gap does not close within Config::out_of_order_age, and before anything else when
// memory is short.
class ReceiveQueue {
 public:
  // Half a buffer. Longer pieces stay in the buffer that they were received in, so each buffer has
  // at least this many bytes of data.
  static constexpr uint32_t kCopyBreak = 1024;

  ReceiveQueue() = default;
  ~ReceiveQueue() { clear(); }
  ReceiveQueue(const ReceiveQueue&) = delete;

  bool empty() const { return held_ == nullptr; }
  uint32_t islands() const {
    return held_ == nullptr ? 0 : static_cast<uint32_t>(held_->islands.size());
  }
  // Packet buffers in use. Records count as the number of buffers that they are worth.
  uint32_t buffers() const { return held_ == nullptr ? 0 : held_->cost(); }

  // Keeps the new part of [seq, seq + slice.size()); slice is as it was received. Returns the
  // number of bytes that are kept. Data beyond max_buffers or Config::max_out_of_order_ranges, or
  // without memory, is dropped and counted.
  uint32_t insert(ReceiveQueues& all, Seq seq, buf::Slice slice, uint32_t max_buffers, Time now);

  // Takes the piece that continues at rcv_nxt, cut to its new part; empty when there is a gap.
  buf::Slice pop(Seq rcv_nxt);

  // Whether every byte of [begin, end) is here already.
  bool covers(Seq begin, Seq end) const;

  // The islands as SACK blocks, the most recently changed first (RFC 2018, 4). Returns the count.
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
