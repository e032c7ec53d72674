#pragma once
// The receive window of one stream (RFC 9113, 6.9). Bytes that the owner has taken are announced in
// parts of the window. The window grows to twice the bytes taken within a round trip, so that data
// from afar is as fast as its path and its reader allow. The window of a stream that was never
// fast never grows.

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/chrono.h"

namespace sluice::http2 {

class ReceiveWindow {
 public:
  // grows: the window may grow. Then quarters are announced: with halves, a sender whose packets
  // come all at once would send half of the window in a round trip, and twice that is no growth.
  void begin(uint32_t size, Time now, bool grows = false) {
    size_ = size;
    parts_ = grows ? 4 : 2;
    round_at_ = now;
  }
  uint32_t size() const { return size_; }

  // The owner took n bytes. True when announce() is due.
  bool took(uint32_t n) {
    credit_ += n;
    return credit_ >= size_ - size_ / parts_ * (parts_ - 1);
  }

  struct Path {
    Time now;
    Duration round_trip{};  // zero: not known, and the window does not grow
    uint32_t least = 0;     // bytes: the size at the beginning
    uint32_t most = 0;      // bytes
    bool room = false;      // there is memory for larger windows
  };
  // The bytes to announce to the peer now.
  uint32_t announce(const Path& path) {
    taken_ += credit_;
    const Duration elapsed = path.now - round_at_;
    if (path.round_trip > Duration{} && elapsed >= path.round_trip) {
      const auto in_a_round = static_cast<uint64_t>(static_cast<double>(taken_) *
                                                    static_cast<double>(path.round_trip.count()) /
                                                    static_cast<double>(elapsed.count()));
      const auto wanted = static_cast<uint32_t>(std::min<uint64_t>(2 * in_a_round, path.most));
      if (path.room && wanted > size_) {
        credit_ += wanted - size_;
        size_ = wanted;
      }
      taken_ = 0;
      round_at_ = path.now;
    }
    // The announced window stays; but it need not be announced again.
    if (!path.room && size_ > path.least) {
      const uint32_t less = std::min({size_ - path.least, size_ / 2, credit_});
      size_ -= less;
      credit_ -= less;
    }
    return std::exchange(credit_, 0);
  }

 private:
  uint32_t size_ = 0;
  uint32_t parts_ = 2;   // one part of so many is announced at a time
  uint32_t credit_ = 0;  // bytes taken and not announced
  uint64_t taken_ = 0;   // since round_at_
  Time round_at_{};
};

}  // namespace sluice::http2
