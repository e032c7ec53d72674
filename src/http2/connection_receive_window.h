#pragma once
// The receive window of a connection, for all streams together (RFC 9113, 6.9). Bytes are credited
// on receipt, so that one stalled stream cannot freeze its neighbours: the streams' windows alone
// bound the bytes in memory.

#include <cstdint>
#include <utility>

#include "http2/frame.h"

namespace sluice::http2 {

class ConnectionReceiveWindow {
 public:
  // size: bytes that the window is opened to.
  explicit ConnectionReceiveWindow(uint32_t size) : size_(size) {}

  // Every connection begins with 65,535 bytes (6.9.2). Returns the bytes to announce beyond them;
  // zero: none.
  uint32_t begin() {
    if (size_ <= kDefaultWindow) return 0;
    left_ = size_;
    return size_ - kDefaultWindow;
  }
  // DATA of n bytes arrived, padding included. False when the window had less than n left.
  bool receive(uint32_t n) {
    left_ -= n;
    return left_ >= 0;
  }
  // Credits n bytes. Returns the bytes to announce now; zero: none yet, since halves are announced.
  uint32_t credit(uint32_t n) {
    credit_ += n;
    if (credit_ < size_ - size_ / 2) return 0;
    left_ += credit_;
    return std::exchange(credit_, 0);
  }
  // Enlarges the window to at least `size`. Returns the bytes to announce; zero: it is large
  // enough.
  uint32_t grow(uint32_t size) {
    if (size <= size_) return 0;
    const uint32_t more = size - size_;
    size_ = size;
    left_ += more;
    return more;
  }

 private:
  int64_t left_ = kDefaultWindow;
  uint32_t size_;
  uint32_t credit_ = 0;
};

}  // namespace sluice::http2
