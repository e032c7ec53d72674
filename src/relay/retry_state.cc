#include "relay/retry_state.h"

#include <algorithm>

namespace sluice::relay {

bool RetryState::tried(uint32_t slot) const {
  const auto end = tried_.begin() + tried_count_;
  return std::find(tried_.begin(), end, slot) != end;
}

bool RetryState::take_transparent(uint32_t most) {
  if (transparent_ >= most) return false;
  ++transparent_;
  return true;
}

Duration RetryState::next_refused_wait() {
  const Duration wait = kRefusedWait * (1 << std::min<unsigned>(refusals_, 7));
  if (refusals_ < UINT8_MAX) ++refusals_;
  return wait;
}

Duration RetryState::backoff(const config::Retry& policy, Random& random) const {
  Duration d = policy.backoff;
  for (uint8_t i = 0; i < backoff_step_ && d < policy.backoff_max; ++i) d *= 2;
  const double jitter = 0.8 + 0.4 * random.uniform();
  return Duration(static_cast<Duration::rep>(
      static_cast<double>(std::min(d, policy.backoff_max).count()) * jitter));
}

void RetryState::take_attempt(bool pushback) {
  ++attempts_;
  if (pushback) backoff_step_ = 0;
  if (backoff_step_ < UINT8_MAX) ++backoff_step_;
}

}  // namespace sluice::relay
