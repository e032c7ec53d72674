#pragma once
// [service.retry]: retries of calls that a pod may have worked on. A call that provably no pod has
// begun needs no policy: [limits] transparent_retries.

#include <bitset>
#include <cstdint>

#include "base/chrono.h"

namespace sluice::config {

struct Retry {
  // gRPC's status codes are 0 to 16.
  std::bitset<17> grpc_statuses;  // in an answer that is trailers only
  std::bitset<600> http_statuses;
  bool resets = false;         // a pod's RST_STREAM, or the loss of its connection
  Duration per_try_timeout{};  // from the end of the request to the answer's HEADERS; 0 for none
  // Whether a request may be executed twice: every request of the service, or only those whose
  // method is idempotent (RFC 9110, 9.2.2). grpc_statuses do not depend on it: an operator who
  // lists UNAVAILABLE knows what it means for his pods.
  bool idempotent = false;
  uint32_t attempts = 3;  // attempts of one call, the first included; gRPC allows 5
  // Before the second attempt; doubles before each further one, give or take 20 % (gRFC A6).
  Duration backoff = 25ms;
  Duration backoff_max = 250ms;
  // The retry budget of one worker: a share of the service's calls, and so many a second besides,
  // without which a service of few calls would never retry. Pods that are overloaded must not get
  // twice the work.
  uint32_t budget_percent = 20;
  uint32_t budget_per_second = 10;

  // Whether the policy retries anything.
  bool any() const {
    return grpc_statuses.any() || http_statuses.any() || resets ||
           per_try_timeout > Duration::zero();
  }
  bool operator==(const Retry&) const = default;
};

}  // namespace sluice::config
