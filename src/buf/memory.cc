#include "buf/memory.h"

#include <cstring>

namespace sluice::buf {

void Memory::refresh() {
  rx_free_ = rx_.available();
  hold_free_ = hold_.available();
}

Slice Memory::retain(Slice s) {
  if (s.mbuf()->pool != rx_.mempool()) return s;
  if (rx_free_ > pin_above_) {
    --rx_free_;  // an estimate until the next refresh, on the safe side
    ++pinned_;
    return s;
  }
  Slice copy = alloc();
  if (copy && copy.tailroom() >= s.size()) {
    std::memcpy(copy.mutable_data(), s.data(), s.size());
    copy.grow_back(s.size());
    ++copied_;
    return copy;
  }
  ++refused_;
  return {};
}

Slice Memory::alloc() {
  if (hold_free_ <= hold_reserve_) return {};
  Slice fresh = hold_.alloc();
  if (fresh) --hold_free_;
  return fresh;
}

}  // namespace sluice::buf
