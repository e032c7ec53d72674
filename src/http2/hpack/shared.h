#pragma once
// The state that all HPACK of one worker shares: the fields, the memory, the counts.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/hash.h"
#include "http2/hpack/block_pool.h"
#include "http2/hpack/field_table.h"
#include "http2/hpack/record_holders.h"
#include "stats/http2.h"

namespace sluice::http2::hpack {

struct Shared {
  // Everything referred to outlives the object, which outlives the connections.
  explicit Shared(stats::Http2& s, const SipKey& key = {}, size_t bytes = FieldTable::kBytes)
      : stats(s), fields(key, s, bytes) {}

  // A buffer to encode into, valid until the next call.
  uint8_t* scratch(size_t n) {
    if (n > scratch_size_) [[unlikely]] {
      scratch_size_ = std::bit_ceil(std::max(n, kScratch));
      scratch_ = std::make_unique_for_overwrite<uint8_t[]>(scratch_size_);
    }
    return scratch_.get();
  }

  // Every 256th block is timed, if the worker gave a counter of cycles. This room reads no clock.
  static constexpr uint32_t kSampled = 256;
  using Cycles = uint64_t (*)();
  Cycles cycles = nullptr;

  // Times one block, if it is the block's turn.
  class Sample {
   public:
    Sample(Cycles cycles, uint32_t& turn, stats::Counter& blocks, stats::Counter& spent)
        : cycles_(++turn % kSampled == 0 ? cycles : nullptr), blocks_(blocks), spent_(spent) {
      if (cycles_ != nullptr) [[unlikely]]
        began_ = cycles_();
    }
    ~Sample() {
      if (cycles_ == nullptr) [[likely]]
        return;
      ++blocks_;
      spent_.add(cycles_() - began_);
    }
    Sample(const Sample&) = delete;

   private:
    Cycles cycles_;
    uint64_t began_ = 0;
    stats::Counter& blocks_;
    stats::Counter& spent_;
  };
  Sample sample_in() { return {cycles, turn_in_, stats.hpack_timed_in, stats.hpack_cycles_in}; }
  Sample sample_out() { return {cycles, turn_out_, stats.hpack_timed_out, stats.hpack_cycles_out}; }

  stats::Http2& stats;
  FieldTable fields;
  RecordHolders holders{fields, stats};
  BlockPool blocks;

 private:
  static constexpr size_t kScratch = 4096;  // larger than usual blocks

  std::unique_ptr<uint8_t[]> scratch_;
  size_t scratch_size_ = 0;
  uint32_t turn_in_ = 0;
  uint32_t turn_out_ = 0;
};

}  // namespace sluice::http2::hpack
