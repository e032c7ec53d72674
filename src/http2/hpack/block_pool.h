#pragma once
// Blocks of 2^4 .. 2^17 bytes for the tables of connections. They are recycled by size, so that new
// connections do not touch the heap.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "base/poison.h"

namespace sluice::http2::hpack {

// Single-threaded. Returns its memory to the heap at its end; no block may be in use then.
class BlockPool {
 public:
  BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  ~BlockPool() {
    for (const auto& c : chunks_) unpoison(c.get(), kChunk);
  }

  static constexpr size_t kMin = 16;
  static constexpr size_t kMax = 131'072;

  // bytes: a power of two from kMin to kMax.
  void* take(size_t bytes) {
    Free*& head = free_[order(bytes)];
    if (head == nullptr) [[unlikely]]
      return carve(bytes);
    Free* const block = head;
    unpoison(block, bytes);
    head = block->next;
    return block;
  }
  void give(void* p, size_t bytes) {
    Free*& head = free_[order(bytes)];
    head = ::new (p) Free{head};
    poison(p, bytes);
  }

  // Bytes taken from the heap so far.
  size_t bytes() const { return chunks_.size() * kChunk; }

 private:
  static constexpr size_t kChunk = 131'072;
  static constexpr size_t kOrders = std::countr_zero(kMax / kMin) + 1;
  struct Free {
    Free* next;
  };

  static size_t order(size_t bytes) { return static_cast<size_t>(std::countr_zero(bytes / kMin)); }
  void* carve(size_t bytes);

  std::array<Free*, kOrders> free_{};
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::byte* next_ = nullptr;
  size_t left_ = 0;
};

}  // namespace sluice::http2::hpack
