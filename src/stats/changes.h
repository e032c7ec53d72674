#pragma once
// What has changed around Sluice, for the log: pods and neighbours that come and go.

#include <cstdint>

#include "base/address.h"
#include "stats/notes.h"

namespace sluice::stats {

struct Change {
  enum class What : uint8_t {
    kPodReady,
    kPodLost,         // its last connection; another one is tried
    kPodUnreachable,  // connecting failed, and is tried again after a backoff
    kPodLeft,         // it is no endpoint any more
    kServiceDown,     // no pod is reachable, or there is none: calls fail
    kServiceUp,
    kNeighbourLost,  // nobody answers for a pod's or gateway's address
    kNeighbourBack,
  };
  What what{};
  bool routine = false;     // it happens every day: a pod replaces its connections
  uint32_t slot = 0;        // of the pod or service; the port's index
  const char* reason = "";  // lives for ever
  Address neighbour{};
};

// Room for the pods of a service that all come at once, between two looks.
using Changes = Notes<Change, 256>;

}  // namespace sluice::stats
