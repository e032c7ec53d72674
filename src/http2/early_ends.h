#pragma once
// How many streams a client may have open at once, by how its latest streams ended. An early end
// comes before any answer. When nearly all streams end early, pods work for nothing. An attacker
// that opens and resets streams gets fewer at once, long before the guards end the connection; a
// client in distress is slowed down. Clients that hedge, or meet a pod that hangs now and then,
// never come near the limit.

#include <algorithm>
#include <bit>
#include <cstdint>

namespace sluice::http2 {

class EarlyEnds {
 public:
  static constexpr uint32_t kBorne = 64;  // early ends without effect
  static constexpr uint32_t kPerCompleted =
      8;  // early ends that a stream which ended well makes up
  static constexpr uint32_t kRemembered = 512;  // streams; older ones count half, and so on
  static constexpr uint32_t kLeast = 8;         // streams at once

  // `completed`: streams that ended well since the connection began.
  void ended_early(uint64_t completed) {
    ++early_;
    const uint64_t well = completed - base_;
    if (early_ + well <= kRemembered) return;
    early_ /= 2;
    base_ += well - well / 2;
  }
  // Begins as if the client had had `early` early ends.
  void begin_with(uint32_t early) { early_ = early; }
  // The limit is halved for each doubling of the early ends that are not made up.
  uint32_t limit(uint32_t most, uint64_t completed) const {
    const uint64_t made_up = (completed - base_) * kPerCompleted;
    if (early_ < kBorne + made_up) return most;
    const auto halvings = std::bit_width((early_ - made_up) / kBorne);
    return std::max(most >> halvings, std::min(most, kLeast));
  }

 private:
  uint64_t early_ = 0;
  uint64_t base_ = 0;  // completed streams that no longer count
};

}  // namespace sluice::http2
