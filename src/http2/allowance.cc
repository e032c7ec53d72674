#include "http2/allowance.h"

namespace sluice::http2 {

namespace {

// Bytes of DATA that earn one token, where bytes earn tokens. A peer that cuts its data into
// frames, by any size of message, frame, window or buffer, has a short rest at the end of each
// piece. A piece of a few times kTinyData pays for its rest. A peer that sends only rests pays for
// few of them.
constexpr uint32_t kBytesPerToken = 16;

using G = config::Guards;

struct Rule {
  config::Rate G::*rate;
  uint32_t per_sent = 0;       // tokens for a frame of a stream that we sent
  uint32_t per_completed = 0;  // tokens for a stream that ended as it should
  bool by_received = false;    // tokens for kBytesPerToken of DATA that came
  bool by_sent = false;        // the same for DATA that we sent
};

// In the order of Allowance::Kind.
constexpr Rule kRules[Allowance::kKinds] = {
    // A client that hedges cancels up to every second call, and does so for ever.
    {.rate = &G::resets, .per_completed = 1},
    {.rate = &G::provoked_resets},
    {.rate = &G::settings},
    {.rate = &G::pings, .per_sent = 2},
    {.rate = &G::priorities, .per_sent = 10},
    {.rate = &G::window_updates, .per_sent = 20},
    {.rate = &G::unknown_frames, .per_sent = 10},
    {.rate = &G::empty_data, .per_sent = 1},
    // A pod whose service echoes a few bytes does so for all its callers on one connection.
    {.rate = &G::tiny_data, .per_sent = 1, .by_received = true},
    // A peer that pads everything also pads the HEADERS and trailers of each answer, which HPACK
    // may have shortened to a byte.
    {.rate = &G::padding, .per_sent = 4, .by_received = true},
    // A peer that opens its window after each frame opens it by the rests of our frames.
    {.rate = &G::dribble, .by_sent = true},
    {.rate = &G::table_sizes},
    {.rate = &G::empty_names},
};

}  // namespace

bool Allowance::refill_and_take(Kind kind, const config::Guards& guards, Time now) {
  if ((guards.*kRules[kind].rate).burst == 0) return true;
  if (refilled_at_ == kNever) {
    // The first time, as it comes on every connection.
    refilled_at_ = now;
    for (size_t i = 0; i < kKinds; ++i) left_[i] = (guards.*kRules[i].rate).burst;
  } else {
    // Whole seconds, so that no fraction of a token is lost.
    const auto seconds = static_cast<uint64_t>((now - refilled_at_) / 1s);
    refilled_at_ += static_cast<int64_t>(seconds) * Duration(1s);
    for (size_t i = 0; i < kKinds; ++i) {
      const Rule& rule = kRules[i];
      const config::Rate& rate = guards.*rule.rate;
      const uint64_t bytes =
          (rule.by_received ? received_bytes_ : 0) + (rule.by_sent ? sent_bytes_ : 0);
      const uint64_t earned = uint64_t{sent_} * rule.per_sent +
                              (completed_ - completed_counted_) * rule.per_completed +
                              bytes / kBytesPerToken + seconds * rate.per_second;
      left_[i] = static_cast<uint32_t>(std::min<uint64_t>(left_[i] + earned, rate.burst));
    }
  }
  sent_ = 0;
  completed_counted_ = completed_;
  sent_bytes_ = received_bytes_ = 0;
  if (left_[kind] == 0) return false;
  --left_[kind];
  return true;
}

}  // namespace sluice::http2
