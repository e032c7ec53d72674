#pragma once
// Data that arrived ahead of a gap, and what the peer is told about it (SACK, RFC 2018; D-SACK,
// RFC 2883). In-order data never enters.

#include <cstdint>
#include <span>

#include "base/list.h"
#include "base/slab.h"
#include "buf/slice.h"
#include "tcp/header.h"
#include "tcp/sequence.h"

namespace sluice::tcp {

class ReceiveQueue {
  struct Piece : ListHook<> {
    explicit Piece(buf::Slice s) : slice(std::move(s)) {}
    buf::Slice slice;
  };
  struct BySeq;
  struct ByNews;
  // A run of bytes without a hole. Islands never touch each other.
  struct Island : ListHook<BySeq>, ListHook<ByNews> {
    Seq begin = 0;
    Seq end = 0;
    List<Piece> pieces;
  };

 public:
  // The memory of all receive queues of a worker.
  struct Pools {
    Slab<Piece> pieces;
    Slab<Island> islands;
  };

  explicit ReceiveQueue(Pools& pools) : pools_(pools) {}
  ~ReceiveQueue() { clear(); }
  ReceiveQueue(const ReceiveQueue&) = delete;

  bool empty() const { return islands_.empty(); }
  uint32_t islands() const { return island_count_; }
  uint32_t pieces() const { return piece_count_; }  // packet buffers held, at most

  // Keeps what of [seq, seq + slice.size()) is new; slice is safe to keep. Returns the bytes kept.
  // max_islands and max_pieces bound memory and work: what would exceed them is dropped.
  uint32_t insert(Seq seq, buf::Slice slice, uint32_t max_islands, uint32_t max_pieces);

  // Takes the piece that continues at rcv_nxt, cut to what is new; empty when there is a gap.
  buf::Slice pop(Seq rcv_nxt);

  // Every byte of [begin, end) is here already.
  bool covers(Seq begin, Seq end);

  // The islands as SACK blocks, the latest news first (RFC 2018, 4). Returns the count.
  size_t sack_blocks(std::span<SackBlock> out);

  void clear();

 private:
  void insert_new(Seq seq, buf::Slice slice, Island* before, uint32_t max_islands,
                  uint32_t max_pieces, uint32_t& kept);
  bool append(List<Piece>& to, buf::Slice slice, bool front, uint32_t max_pieces);
  void destroy(Island& island);

  Pools& pools_;
  List<Island, BySeq> islands_;
  List<Island, ByNews> news_;  // most recently changed first
  uint32_t island_count_ = 0;
  uint32_t piece_count_ = 0;
};

}  // namespace sluice::tcp
