#pragma once
// The attempts that a call has had, and when it may have another.

#include <array>
#include <cstdint>

#include "base/chrono.h"
#include "base/random.h"
#include "config/retry.h"

namespace sluice::relay {

class RetryState {
 public:
  // The pod did not take the call, or lost it.
  void remember(uint32_t pod_slot) {
    if (tried_count_ < tried_.size()) tried_[tried_count_++] = pod_slot;
  }
  bool tried(uint32_t pod_slot) const;

  // The id of the connection that refused the call last; 0: no connection did.
  uint64_t refused_by() const { return refused_by_; }
  void set_refused_by(uint64_t connection) { refused_by_ = connection; }

  // Takes one more attempt of a call that provably no pod has begun. False after `most` attempts.
  bool take_transparent(uint32_t most);
  // The wait before pods are asked again, when all of them have refused the call. Doubles each
  // time.
  Duration next_refused_wait();

  // The retry policy allows one more attempt.
  bool attempt_left(const config::Retry& policy) const { return attempts_ < policy.attempts; }
  // The wait before the next attempt by the policy (gRFC A6): a power of two times policy.backoff,
  // up to backoff_max, give or take 20 %.
  Duration backoff(const config::Retry& policy, Random& random) const;
  // Counts an attempt by the policy. pushback: the pod named the time, and the backoff begins anew.
  void take_attempt(bool pushback);

  // A pod ended the connection under the call with an error. The next attempt goes to a connection
  // of its own, once.
  bool suspect() const { return suspicion_ == Suspicion::kSuspect; }
  void accuse() { suspicion_ = Suspicion::kSuspect; }
  void acquit() { suspicion_ = Suspicion::kNone; }

 private:
  static constexpr Duration kRefusedWait = 10ms;
  enum class Suspicion : uint8_t { kNone, kSuspect };

  uint64_t refused_by_ = 0;
  Suspicion suspicion_ = Suspicion::kNone;
  uint8_t transparent_ = 0;   // attempts that no pod began
  uint8_t refusals_ = 0;      // times that every pod left had refused
  uint8_t attempts_ = 1;      // by the policy
  uint8_t backoff_step_ = 0;  // doublings of the next backoff
  uint8_t tried_count_ = 0;
  std::array<uint32_t, 8> tried_{};  // slots of pods
};

}  // namespace sluice::relay
