#pragma once
// The wait before the next attempt to connect (gRPC's connection-backoff document). The cap is 10 s
// instead of 120 s: a pod that restarts should be found again while its node still matters.

#include <algorithm>

#include "base/chrono.h"
#include "base/random.h"

namespace sluice::pods {

class Backoff {
 public:
  static constexpr Duration kInitial = 1s;
  static constexpr Duration kMax = 10s;
  static constexpr double kFactor = 1.6;
  static constexpr double kJitter = 0.2;  // either way

  // The wait after one more failure, counted from the start of the failed attempt.
  Duration next(Random& random) {
    const Duration base = current_;
    current_ = std::min(
        kMax, Duration(static_cast<int64_t>(static_cast<double>(current_.count()) * kFactor)));
    const double jitter = 1 + kJitter * (2 * random.uniform() - 1);
    return Duration(static_cast<int64_t>(static_cast<double>(base.count()) * jitter));
  }

  // A connection became READY, or news of the endpoint came.
  void reset() { current_ = kInitial; }

 private:
  Duration current_ = kInitial;
};

}  // namespace sluice::pods
