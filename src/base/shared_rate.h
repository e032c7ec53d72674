#pragma once
// A rate limit that holds for all workers of a process together: `rate` tokens a second, saved up
// to a second's. As base/token_bucket.h, the state is one point in time (ITU-T I.371).

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "base/chrono.h"

namespace sluice {

// The part that all workers share. For any thread.
class SharedRate {
 public:
  // Takes up to n of the tokens that are there, of `burst` at most; returns how many. rate: tokens
  // a second, 1 to 10^9. The limit comes with each call, so that a reload takes effect at once.
  uint32_t take(uint32_t n, uint32_t rate, uint32_t burst, Time now) {
    const int64_t cost = 1'000'000'000 / int64_t{rate};
    const int64_t at = now.time_since_epoch().count();
    int64_t full = full_at_.load(std::memory_order_relaxed);
    for (;;) {
      const int64_t start = std::max(full, at);
      const int64_t left = int64_t{burst} - (start - at + cost - 1) / cost;
      if (left <= 0) return 0;
      const auto got = static_cast<uint32_t>(std::min<int64_t>(n, left));
      if (full_at_.compare_exchange_weak(full, start + got * cost, std::memory_order_relaxed))
        return got;
    }
  }

  // Whether take() would give one now.
  bool has(uint32_t rate, uint32_t burst, Time now) const {
    const int64_t cost = 1'000'000'000 / int64_t{rate};
    const int64_t at = now.time_since_epoch().count();
    const int64_t full = full_at_.load(std::memory_order_relaxed);
    return int64_t{burst} > (std::max(full, at) - at + cost - 1) / cost;
  }

 private:
  std::atomic<int64_t> full_at_{0};  // ns; the time at which all tokens are there again
};

// One worker's share: a few tokens that it has taken ahead, at most 2.5 % of the burst with all
// workers together. The shared part has as many fewer, so that tokens of earlier do not exceed the
// limit. Nothing is refused while more than 5 % is left. A limit below 40 times the number of
// workers is exact.
class RateLease {
 public:
  // Takes one token; false when there is none. rate: 0: no limit. workers: of the process, 1 or
  // more.
  bool take(SharedRate& shared, uint32_t rate, uint32_t workers, Time now) {
    if (rate == 0) return true;
    if (rate != rate_) {
      rate_ = rate;
      idle_ = 0;
    }
    if (idle_ > 0) {
      --idle_;
      return true;
    }
    const uint32_t ahead = workers == 1 ? 0 : rate / (40 * workers);
    const uint32_t got = shared.take(1 + ahead, rate, rate - workers * ahead, now);
    if (got == 0) return false;
    idle_ = got - 1;
    return true;
  }

 private:
  uint32_t rate_ = 0;
  uint32_t idle_ = 0;
};

}  // namespace sluice
