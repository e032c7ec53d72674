#pragma once
// The account of connections to pods. All of a worker's connections share it: their heap is counted
// for the worker.

#include "buf/account.h"
#include "stats/relay.h"

namespace sluice::upstream {

class PodHeap final : public buf::Account {
 public:
  explicit PodHeap(stats::Relay& stats) : stats_(stats) {}

  // Unfinished frames and field blocks. Packet buffers are charged to the clients' accounts.
  void charge(int32_t /*buffers*/, int64_t heap) override { add(heap); }
  // HPACK's tables.
  void charge_lasting(int64_t heap) override { add(heap); }
  // A pod's connection carries the calls of many clients, so it does not end for what it keeps.
  // Its guards bound that: a frame by `frame_size`, a field block by 16 times `field_block_size`,
  // the tables by `header_table_size`.
  bool overdrawn() const override { return false; }

 private:
  void add(int64_t bytes) { stats_.pod_heap.add(static_cast<uint64_t>(bytes)); }  // modulo 2^64

  stats::Relay& stats_;
};

}  // namespace sluice::upstream
