#pragma once
// The allowance that all clients of one address share, over all their connections, so that a new
// connection does not begin with a new allowance. It covers only what costs pods (resets of either
// kind). Its tokens grow back with time and with streams that end well.

#include <algorithm>
#include <cstdint>

#include "base/chrono.h"
#include "config/guards.h"

namespace sluice::http {

class Origin {
 public:
  enum Kind : uint8_t { kResets, kProvokedResets, kKinds };

  // Multiplies the burst and rate of one connection: several clients may come from one address.
  static constexpr uint32_t kBursts = 2;
  static constexpr uint32_t kRates = 4;
  // So many connections a second, and at once, get kDoor tokens each though the address has none
  // left: they may be other clients of the address. Further connections get one token.
  static constexpr uint32_t kDoor = 10;
  static constexpr uint32_t kDoorsPerSecond = 20;
  static constexpr uint32_t kDoorsBurst = 20;

  // Takes up to n tokens. `completed`: streams that ended well since the last call.
  uint32_t take(Kind kind, uint32_t n, const config::Rate& rate, uint64_t completed, Time now) {
    grow(kind, rate, completed, now);
    const auto got = static_cast<uint32_t>(std::min<uint64_t>(left_[kind], n));
    left_[kind] -= got;
    return got;
  }
  // Returns tokens that were taken and not used.
  void give_back(Kind kind, uint32_t n, const config::Rate& rate) {
    left_[kind] = std::min<uint64_t>(left_[kind] + n, uint64_t{rate.burst} * kBursts);
  }
  // Tokens for a connection's first need, when the address has none.
  uint32_t door(Time now) {
    constexpr Duration kCost = Duration(1s) / int64_t{kDoorsPerSecond};
    const Time start = std::max(doors_spent_until_, now);
    if (start - now > kCost * int64_t{kDoorsBurst - 1}) return 1;
    doors_spent_until_ = start + kCost;
    return kDoor;
  }
  // Nothing was left at the last look: a connection that comes now is suspect.
  bool spent(Kind kind, const config::Rate& rate, Time now) {
    if (!used_ || rate.burst == 0) return false;
    grow(kind, rate, 0, now);
    return left_[kind] < rate.burst / 2;
  }
  // Some tokens are missing, so there is something to remember.
  bool worth_keeping(const config::Guards& guards, Time now) {
    if (!used_) return false;
    grow(kResets, guards.resets, 0, now);
    grow(kProvokedResets, guards.provoked_resets, 0, now);
    return left_[kResets] < uint64_t{guards.resets.burst} * kBursts ||
           left_[kProvokedResets] < uint64_t{guards.provoked_resets.burst} * kBursts;
  }

 private:
  void grow(Kind kind, const config::Rate& rate, uint64_t completed, Time now) {
    const uint64_t most = uint64_t{rate.burst} * kBursts;
    if (!used_) {
      used_ = true;
      std::fill(std::begin(left_), std::end(left_), UINT64_MAX / 2);
      std::fill(std::begin(grown_at_), std::end(grown_at_), now);
    }
    // Whole seconds, so that no fraction of a token is lost.
    const auto seconds = static_cast<uint64_t>(std::max(now - grown_at_[kind], Duration{}) / 1s);
    grown_at_[kind] += static_cast<int64_t>(seconds) * Duration(1s);
    left_[kind] = std::min(left_[kind] + completed + seconds * rate.per_second * kRates, most);
  }

  bool used_ = false;
  uint64_t left_[kKinds]{};
  Time grown_at_[kKinds]{};
  Time doors_spent_until_{};
};

// The tokens that one connection has borrowed from its origin. It takes some ahead, and gives back
// the rest.
class OriginLoan {
 public:
  // nullptr: the connection has only its own allowance.
  explicit OriginLoan(Origin* origin) : origin_(origin) {}

  // Uses one token; false when there is none. `completed`: since the connection began.
  bool take(Origin::Kind kind, const config::Rate& rate, uint64_t completed, Time now) {
    if (origin_ == nullptr || rate.burst == 0) return true;
    if (left_[kind] == 0) {
      const uint32_t ahead = std::max(rate.burst / 20, 1u);
      left_[kind] = origin_->take(kind, ahead, rate, completed - told_, now);
      told_ = completed;
      if (left_[kind] == 0 && !through_door_) {
        through_door_ = true;
        left_[kind] = std::min(origin_->door(now), ahead);
      }
      if (left_[kind] == 0) return false;
    }
    --left_[kind];
    return true;
  }
  // The connection ends. Tokens of door() are not given back, since nobody owned them.
  void settle(const config::Guards& guards) {
    if (origin_ == nullptr || through_door_) return;
    origin_->give_back(Origin::kResets, left_[Origin::kResets], guards.resets);
    origin_->give_back(Origin::kProvokedResets, left_[Origin::kProvokedResets],
                       guards.provoked_resets);
  }
  bool through_door() const { return through_door_; }

 private:
  Origin* const origin_;
  uint32_t left_[Origin::kKinds]{};
  uint64_t told_ = 0;
  bool through_door_ = false;
};

}  // namespace sluice::http
