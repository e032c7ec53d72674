#pragma once
// Everything that one reading of the configuration says, validated and complete. Control builds a
// snapshot, publishes it (config/published.h) and never changes it again; workers only read.

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/chrono.h"
#include "config/guards.h"
#include "config/retry.h"
#include "config/settings.h"
#include "config/startup.h"

namespace sluice::config {

enum class Protocol : uint8_t { kH2c };  // HTTP/2 over cleartext TCP, by prior knowledge

// Requests to CONNECT, extended ones (RFC 8441) included.
enum class Connect : uint8_t {
  kRefuse,  // an open proxy to whatever a pod can reach is nothing to offer by default
  kPass,
};

enum class Balance : uint8_t { kRoundRobin, kLeastRequest };

// Slots are small numbers that index the workers' counters (stats/worker.h). A thing that stays
// from one snapshot to the next keeps its slot.

struct Pod {
  // Together with the service, a pod's identity: the same identity is the same pod.
  Endpoint endpoint;
  std::string id;  // may be empty
  uint32_t weight = 1;
  uint32_t slot = 0;

  bool operator==(const Pod&) const = default;
};

struct Service {
  std::string name;
  Balance balance = Balance::kRoundRobin;
  std::vector<Pod> pods;  // in the order of the endpoints; may be empty
  // What [timeouts] and [limits] say, unless the service says otherwise itself.
  Duration connect_timeout{};
  Duration queue_timeout{};
  Duration call_timeout{};
  Duration stream_idle_timeout{};
  Duration max_stream_age{};
  // PING toward pods on connections with streams that have been silent for so long; 0: none. gRPC
  // servers punish PINGs that come more often than every 5 minutes, and TCP's probes serve.
  Duration ping_interval{};
  Duration ping_timeout = 20s;  // without an answer the connection is lost; gRPC's default
  bool ping_without_calls = false;
  uint32_t queue_limit = 0;  // streams of one worker that wait for a pod
  Retry retry;
  uint32_t slot = 0;

  bool operator==(const Service&) const = default;
};

// What requests tell pods of their way.
struct Forwarding {
  std::string via;  // the name that Via gives Sluice; empty: no Via
  bool x_forwarded_for = false;
  bool forwarded = false;

  bool any() const { return !via.empty() || x_forwarded_for || forwarded; }
  bool operator==(const Forwarding&) const = default;
};

struct Listener {
  std::string name;
  Endpoint address;
  Protocol protocol = Protocol::kH2c;
  Connect connect = Connect::kRefuse;
  Forwarding forwarding;
  uint32_t service = 0;  // index into Snapshot::services
  uint32_t slot = 0;

  bool operator==(const Listener&) const = default;
};

struct Snapshot {
  uint64_t generation = 0;  // 1 for the first, one more with each that is published
  Startup startup;          // the same in all snapshots of one process
  std::string log_level = "info";
  Timeouts timeouts;
  Limits limits;
  Guards guards;
  std::vector<Service> services;
  std::vector<Listener> listeners;

  bool operator==(const Snapshot&) const = default;
};

}  // namespace sluice::config
