#pragma once
// Answers that a peer provokes (acknowledgements, WINDOW_UPDATE, RST_STREAM) and does not read. A
// peer that reads its answers may have any number. The budget bounds the bytes of answers in the
// output that the peer has not acknowledged.

#include <cstdint>

namespace sluice::http2 {

// Two generations: when a connection's output is never empty, the older one still gets
// acknowledged.
class UnreadAnswers {
 public:
  // n more bytes are about to be appended. `acknowledged`: the output position that the peer has
  // acknowledged. False when more than `most` bytes would be unread.
  bool add(uint32_t n, uint64_t acknowledged, uint32_t most) {
    if (acknowledged >= older_end_) {
      older_ = newer_;
      older_end_ = newer_end_;
      newer_ = 0;
      if (acknowledged >= newer_end_) older_ = 0;
    }
    newer_ += n;
    return older_ + newer_ <= most;
  }
  // The latest answer ends at the output position `end`.
  void appended(uint64_t end) { newer_end_ = end; }

 private:
  uint32_t older_ = 0;  // bytes of answers up to older_end_
  uint32_t newer_ = 0;  // bytes of answers behind it
  uint64_t older_end_ = 0;
  uint64_t newer_end_ = 0;
};

}  // namespace sluice::http2
