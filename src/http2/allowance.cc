#include "http2/allowance.h"

namespace sluice::http2 {

namespace {

struct Rule {
  config::Rate config::Guards::*rate;
  uint32_t per_sent = 0;       // tokens for a frame of a stream that we sent
  uint32_t per_completed = 0;  // tokens for a stream that ended as it should
};

// In the order of Allowance::Kind.
constexpr Rule kRules[Allowance::kKinds] = {
    // A client that hedges cancels up to every second call, and does so for ever.
    {&config::Guards::resets, 0, 1},
    {&config::Guards::provoked_resets},
    {&config::Guards::settings},
    {&config::Guards::pings, 2},
    {&config::Guards::priorities, 10},
    {&config::Guards::window_updates, 20},
    {&config::Guards::unknown_frames, 10},
    {&config::Guards::empty_data, 1},
    {&config::Guards::tiny_data},
    {&config::Guards::padding},
    {&config::Guards::dribble},
    {&config::Guards::table_sizes},
};

}  // namespace

bool Allowance::refill_and_take(Kind kind, const config::Guards& guards, Time now) {
  if ((guards.*kRules[kind].rate).burst == 0) return true;
  const bool first = refilled_at_ == kNever;
  // Whole seconds, so that no fraction of a token is lost.
  const uint64_t seconds = first ? 0 : static_cast<uint64_t>((now - refilled_at_) / 1s);
  refilled_at_ = first ? now : refilled_at_ + static_cast<int64_t>(seconds) * Duration(1s);
  for (size_t i = 0; i < kKinds; ++i) {
    const config::Rate& rate = guards.*kRules[i].rate;
    const uint64_t earned = uint64_t{sent_} * kRules[i].per_sent +
                            uint64_t{completed_} * kRules[i].per_completed +
                            seconds * rate.per_second;
    left_[i] = first ? rate.burst
                     : static_cast<uint32_t>(std::min<uint64_t>(left_[i] + earned, rate.burst));
  }
  sent_ = completed_ = 0;
  if (left_[kind] == 0) return false;
  --left_[kind];
  return true;
}

}  // namespace sluice::http2
