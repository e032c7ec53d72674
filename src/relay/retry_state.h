#pragma once
// The attempts that a call has had, and when it may have another. Most calls succeed at once, and
// have nothing of it.

#include <array>
#include <cstdint>
#include <memory>

#include "base/chrono.h"
#include "base/random.h"
#include "config/retry.h"

namespace sluice::relay {

class RetryState {
 public:
  // The pod did not take the call, or lost it.
  void remember(uint32_t pod_slot);
  bool tried(uint32_t pod_slot) const { return past_ != nullptr && past_->tried(pod_slot); }

  // The id of the connection that refused the call last; 0: no connection did.
  uint64_t refused_by() const { return past_ == nullptr ? 0 : past_->refused_by; }
  void set_refused_by(uint64_t connection) { past().refused_by = connection; }

  // Takes one more attempt of a call that provably no pod has begun. False after `most` attempts.
  bool take_transparent(uint32_t most);
  // The wait before pods are asked again, when all of them have refused the call. Doubles each
  // time.
  Duration next_refused_wait();

  // The retry policy allows one more attempt.
  bool attempt_left(const config::Retry& policy) const {
    return (past_ == nullptr ? 1 : past_->attempts) < policy.attempts;
  }
  // The wait before the next attempt by the policy (gRFC A6): a power of two times policy.backoff,
  // up to backoff_max, give or take 20 %.
  Duration backoff(const config::Retry& policy, Random& random) const;
  // Counts an attempt by the policy. pushback: the pod named the time, and the backoff begins anew.
  void take_attempt(bool pushback);

  // A pod ended the connection under the call with an error. The next attempt goes to a connection
  // of its own, once.
  bool suspect() const { return past_ != nullptr && past_->suspect; }
  void accuse() { past().suspect = true; }
  void acquit() { past().suspect = false; }

 private:
  static constexpr Duration kRefusedWait = 10ms;

  struct Past {
    bool tried(uint32_t pod_slot) const;

    uint64_t refused_by = 0;
    bool suspect = false;
    uint8_t transparent = 0;   // attempts that no pod began
    uint8_t refusals = 0;      // times that every pod left had refused
    uint8_t attempts = 1;      // by the policy
    uint8_t backoff_step = 0;  // doublings of the next backoff
    uint8_t count = 0;
    std::array<uint32_t, 8> slots{};  // of the pods that did not take the call, or lost it
  };
  Past& past() {
    if (past_ == nullptr) past_ = std::make_unique<Past>();
    return *past_;
  }

  std::unique_ptr<Past> past_;  // nullptr: nothing has failed
};

}  // namespace sluice::relay
