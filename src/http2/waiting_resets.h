#pragma once
// The RST_STREAM frames that wait on a connection to a pod, because clients have reset so many
// streams lately that the pod would end the connection (rapid reset, CVE-2023-44487). Their streams
// are over here and still open at the pod.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "http2/error_code.h"

namespace sluice::http2 {

class WaitingResets {
 public:
  // ended: our END_STREAM was sent.
  void add(uint32_t stream, ErrorCode code, bool ended) {
    resets_.push_back({stream, code, ended});
  }

  // Calls send(stream, code) for the oldest ones, as long as may() is true. Returns whether any
  // was sent.
  template <class May, class Send>
  bool release(May&& may, Send&& send) {
    size_t n = 0;
    for (; n < resets_.size() && may(); ++n) send(resets_[n].stream, resets_[n].code);
    resets_.erase(resets_.begin(), resets_.begin() + static_cast<std::ptrdiff_t>(n));
    return n > 0;
  }

  // The peer ended the stream: both sides (wholly), or its own side. Returns whether the frame need
  // not be sent any more, and is forgotten.
  bool ended_by_peer(uint32_t stream, bool wholly) {
    const auto it = std::find_if(resets_.begin(), resets_.end(),
                                 [&](const Reset& r) { return r.stream == stream; });
    if (it == resets_.end() || !(wholly || it->ended)) return false;
    resets_.erase(it);
    return true;
  }

  bool empty() const { return resets_.empty(); }
  uint32_t size() const { return static_cast<uint32_t>(resets_.size()); }

 private:
  struct Reset {
    uint32_t stream;
    ErrorCode code;
    bool ended;  // our side
  };
  std::vector<Reset> resets_;
};

}  // namespace sluice::http2
