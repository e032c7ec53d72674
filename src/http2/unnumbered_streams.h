#pragma once
// Client role: the streams whose HEADERS wait for room, and which have no id yet. In no order. Many
// may wait and all be cancelled, so a stream leaves in constant time.

#include <cstdint>
#include <vector>

#include "http2/stream.h"

namespace sluice::http2 {

class UnnumberedStreams {
 public:
  void add(Stream& s) {
    s.unnumbered_at_ = size();
    streams_.push_back(&s);
  }
  // The stream is one of these.
  void remove(const Stream& s) {
    Stream* last = streams_.back();
    last->unnumbered_at_ = s.unnumbered_at_;
    streams_[s.unnumbered_at_] = last;
    streams_.pop_back();
  }

  uint32_t size() const { return static_cast<uint32_t>(streams_.size()); }
  auto begin() const { return streams_.begin(); }
  auto end() const { return streams_.end(); }

 private:
  std::vector<Stream*> streams_;
};

}  // namespace sluice::http2
