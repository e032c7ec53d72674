#pragma once
// [service.retry]: calls that are tried again although a pod may have worked on them. Those that
// provably no pod has begun need no policy: [limits] transparent_retries.

#include <bitset>
#include <cstdint>

#include "base/chrono.h"

namespace sluice::config {

struct Retry {
  // gRPC's status codes are 0 to 16.
  std::bitset<17> grpc_statuses;  // of an answer that is trailers only
  std::bitset<600> http_statuses;
  bool resets = false;         // a pod's RST_STREAM, or the loss of its connection
  Duration per_try_timeout{};  // from the end of the request to the answer's HEADERS; 0 for none
  // Whether executing a request twice is as good as once: for all of the service's, or only for
  // those whose method says so (RFC 9110, 9.2.2). grpc_statuses need no such word: who lists
  // UNAVAILABLE knows what his pods mean by it.
  bool idempotent = false;
  uint32_t attempts = 3;  // of one call, the first one included; gRPC allows 5
  // Before the second attempt, twice as much before each further one, give or take 20 % (gRFC A6).
  Duration backoff = 25ms;
  Duration backoff_max = 250ms;
  // Retries of one worker: a share of the service's calls, and so many a second besides, without
  // which a service of few calls would never retry. Pods that are overloaded must not be sent twice
  // the work.
  uint32_t budget_percent = 20;
  uint32_t budget_per_second = 10;

  // There is something to retry for.
  bool any() const {
    return grpc_statuses.any() || http_statuses.any() || resets ||
           per_try_timeout > Duration::zero();
  }
  bool operator==(const Retry&) const = default;
};

}  // namespace sluice::config
