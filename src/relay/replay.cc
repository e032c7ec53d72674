#include "relay/replay.h"

namespace sluice::relay {

bool Replay::remember(const buf::Slice& piece, buf::Memory& memory) {
  if (piece.size() == 0) return true;
  if (large_.empty() && piece.size() <= kCopyBreak) {
    const size_t before = small_.capacity();
    small_.insert(small_.end(), piece.data(), piece.data() + piece.size());
    if (small_.capacity() != before) [[unlikely]]
      grown_ = true;
    return true;
  }
  grown_ = true;
  if (piece.size() <= kCopyBreak) return large_.append_copy(piece.view(), memory.hold());
  buf::Slice kept = memory.retain(piece.share());
  if (!kept) return false;
  large_.append(std::move(kept));
  return true;
}

}  // namespace sluice::relay
