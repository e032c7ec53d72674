#include "http2/hpack/block_pool.h"

#include <new>

namespace sluice::http2::hpack {

void* BlockPool::carve(size_t bytes) {
  if (left_ < bytes) {
    // The remainder becomes blocks of smaller sizes.
    while (left_ >= kMin) {
      const size_t piece = std::bit_floor(left_);
      give(next_, piece);
      next_ += piece;
      left_ -= piece;
    }
    chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kChunk));
    next_ = chunks_.back().get();
    left_ = kChunk;
  }
  void* const p = next_;
  next_ += bytes;
  left_ -= bytes;
  return p;
}

}  // namespace sluice::http2::hpack
