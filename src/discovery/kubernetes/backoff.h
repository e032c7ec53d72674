#pragma once
// The delays between tries: twice as long after each failure, and varied, so that many clients of a
// server that comes back do not return together.

#include <algorithm>
#include <cstdint>

#include "base/chrono.h"
#include "base/random.h"

namespace sluice::discovery::kubernetes {

class Backoff {
 public:
  static constexpr Duration kFirst = 100ms;
  // client-go's: a server that is away for long is asked twice a minute.
  static constexpr Duration kLongest = 30s;

  explicit Backoff(uint64_t seed) : random_(seed) {}

  // One more failure in a row: a delay between half and all of the step.
  Duration next() {
    const Duration step = std::min<Duration>(kFirst * (int64_t{1} << failures_), kLongest);
    if (step < kLongest) ++failures_;
    return step / 2 +
           Duration(static_cast<int64_t>(random_.below(static_cast<uint64_t>((step / 2).count()))));
  }
  void reset() { failures_ = 0; }
  bool failing() const { return failures_ > 0; }
  Random& random() { return random_; }

 private:
  Random random_;
  unsigned failures_ = 0;
};

}  // namespace sluice::discovery::kubernetes
