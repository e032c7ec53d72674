#pragma once
// Changes around Sluice, for the log: pods and neighbours that come and go.

#include <cstdint>

#include "base/address.h"
#include "stats/notes.h"

namespace sluice::stats {

struct Change {
  enum class What : uint8_t {
    kPodReady,
    kPodLost,         // the last connection of a pod; another one is tried
    kPodUnreachable,  // connecting failed, and is tried again after a backoff
    kPodLeft,         // the pod is no endpoint any more
    kServiceDown,     // no pod is reachable, or there is none: calls fail
    kServiceUp,
    kNeighbourLost,  // nobody answers for a pod's or gateway's address
    kNeighbourBack,
  };
  What what{};
  bool routine = false;     // an everyday change: a pod replaces its connections
  uint32_t slot = 0;        // of the pod or service; or the index of a port
  const char* reason = "";  // lives as long as the process
  Address neighbour{};
};

// Room for all pods of a service, if they come at once between two looks.
using Changes = Notes<Change, 256>;

}  // namespace sluice::stats
