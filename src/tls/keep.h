#pragma once
// Received bytes that wait: those of an incomplete record, or those behind a handshake.

#include "buf/memory.h"
#include "buf/queue.h"

namespace sluice::tls {

// Pieces below this size are copied into one buffer, so that a peer that sends few bytes a segment
// pins few buffers.
inline constexpr uint32_t kCopied = 1'024;

// Appends a piece that is kept beyond the call that brought it. The copy takes the reserve of the
// hold pool when nothing may be retained. False: there is no memory at all.
inline bool keep(buf::Slice piece, buf::Queue& to, buf::Memory& memory) {
  if (piece.size() < kCopied) return to.append_copy(piece.view(), memory.hold());
  if (buf::Slice kept = memory.retain(piece.share())) {
    to.append(std::move(kept));
    return true;
  }
  return to.append_copy(piece.view(), memory.hold());
}

}  // namespace sluice::tls
