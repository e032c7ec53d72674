#include "relay/retry_state.h"

#include <algorithm>

namespace sluice::relay {

void RetryState::remember(uint32_t pod_slot) {
  Past& p = past();
  if (p.count < p.slots.size()) p.slots[p.count++] = pod_slot;
}

bool RetryState::Past::tried(uint32_t slot) const {
  const auto end = slots.begin() + count;
  return std::find(slots.begin(), end, slot) != end;
}

bool RetryState::take_transparent(uint32_t most) {
  Past& p = past();
  if (p.transparent >= most) return false;
  ++p.transparent;
  return true;
}

Duration RetryState::next_refused_wait() {
  Past& p = past();
  const Duration wait = kRefusedWait * (1 << std::min<unsigned>(p.refusals, 7));
  if (p.refusals < UINT8_MAX) ++p.refusals;
  return wait;
}

Duration RetryState::backoff(const config::Retry& policy, Random& random) const {
  Duration d = policy.backoff;
  const uint8_t step = past_ == nullptr ? 0 : past_->backoff_step;
  for (uint8_t i = 0; i < step && d < policy.backoff_max; ++i) d *= 2;
  const double jitter = 0.8 + 0.4 * random.uniform();
  return Duration(static_cast<Duration::rep>(
      static_cast<double>(std::min(d, policy.backoff_max).count()) * jitter));
}

void RetryState::take_attempt(bool pushback) {
  Past& p = past();
  ++p.attempts;
  if (pushback) p.backoff_step = 0;
  if (p.backoff_step < UINT8_MAX) ++p.backoff_step;
}

}  // namespace sluice::relay
