#pragma once
// A whole configuration, validated and complete. Control builds a snapshot, publishes it
// (config/published.h) and never changes it again; workers only read it.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/chrono.h"
#include "config/access_log.h"
#include "config/guards.h"
#include "config/l4.h"
#include "config/retry.h"
#include "config/settings.h"
#include "config/shared_list.h"
#include "config/startup.h"
#include "config/tls.h"

namespace sluice::config {

// Of a listener.
enum class Protocol : uint8_t {
  kH2c,    // HTTP/2 over cleartext TCP, by prior knowledge
  kHttp,   // HTTP/1.1, and HTTP/2 by prior knowledge, on one port
  kHttps,  // over TLS; ALPN chooses the version of HTTP
  kTcp,    // L4: connections are forwarded or relayed as they are
  kUdp,    // L4: datagrams
  kTls,    // connections over TLS; the server name chooses the service
};

// Whether a listener chooses a pod for a connection, not for a call.
constexpr bool is_l4(Protocol p) {
  return p == Protocol::kTcp || p == Protocol::kUdp || p == Protocol::kTls;
}

// That the pods of a service speak.
enum class PodProtocol : uint8_t {
  kH2c,     // HTTP/2 over cleartext TCP, by prior knowledge
  kHttp1,   // HTTP/1.1 over cleartext TCP
  kH2,      // HTTP/2 over TLS
  kHttps1,  // HTTP/1.1 over TLS
};
constexpr bool is_http1(PodProtocol p) {
  return p == PodProtocol::kHttp1 || p == PodProtocol::kHttps1;
}
constexpr bool is_secure(PodProtocol p) {
  return p == PodProtocol::kH2 || p == PodProtocol::kHttps1;
}

// Requests to CONNECT, extended ones (RFC 8441) included.
enum class Connect : uint8_t {
  kRefuse,  // by default Sluice is no open proxy to what a pod can reach
  kPass,
};

// The header before a connection's first bytes toward a pod, which has the client's address
// (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
enum class ProxyProtocol : uint8_t { kNone, kV2 };

enum class Balance : uint8_t { kRoundRobin, kLeastRequest };

// Slots are small numbers that index the workers' counters (stats/worker.h). A pod, listener or
// service keeps its slot while it stays in the configuration.

struct Pod {
  // Together with the service, a pod's identity: equal identities are the same pod.
  Endpoint endpoint;
  std::string id;  // may be empty
  uint32_t weight = 1;
  uint32_t slot = 0;

  // Slots follow from the rest.
  bool operator==(const Pod& o) const {
    return endpoint == o.endpoint && id == o.id && weight == o.weight;
  }
};

struct Service {
  std::string name;
  std::string name_space;  // of the Kubernetes service that has its pods; empty: there is none
  Balance balance = Balance::kRoundRobin;
  PodProtocol protocol = PodProtocol::kH2c;
  TlsClient tls;                                        // of kH2 and kHttps1
  ProxyProtocol proxy_protocol = ProxyProtocol::kNone;  // of connections that are relayed
  SharedList<Pod> pods;                                 // in the order of the endpoints
  // Endpoints that no port's network and no route contains: they get no calls, and have no slots.
  SharedList<Pod> unreachable;
  PodTable table;  // of L4 listeners
  // The values of [timeouts] and [limits], unless the service has its own.
  Duration connect_timeout{};
  Duration queue_timeout{};
  Duration call_timeout{};
  Duration stream_idle_timeout{};
  Duration max_stream_age{};
  // PING toward pods, on connections with streams that have been silent for so long; 0: none. The
  // default is 0, since gRPC servers punish PINGs more often than every 5 minutes, and TCP's
  // keepalive probes suffice.
  Duration ping_interval{};
  // Without an answer for this long the connection is lost; gRPC's default.
  Duration ping_timeout = 20s;
  bool ping_without_calls = false;
  uint32_t queue_limit = 0;  // streams of one worker that may wait for a pod
  Retry retry;
  uint32_t slot = 0;

  bool operator==(const Service&) const = default;
};

// The fields that tell pods about the path of a request.
struct Forwarding {
  std::string via;  // Sluice's name in Via; empty: no Via
  bool x_forwarded_for = false;
  bool x_forwarded_proto = false;
  bool forwarded = false;

  bool any() const { return !via.empty() || x_forwarded_for || x_forwarded_proto || forwarded; }
  bool operator==(const Forwarding&) const = default;
};

// Of a listener of kTls: the service of connections with these server names (RFC 6066, 3).
struct NameRoute {
  std::vector<std::string> names;  // in lower case; "*.example.com" has all names below it
  uint32_t service = 0;            // index into Snapshot::services

  bool operator==(const NameRoute&) const = default;
};

struct Listener {
  std::string name;
  Endpoint address;
  Protocol protocol = Protocol::kH2c;
  TlsServer tls;  // of kHttps; of kTls, if TLS ends here
  Connect connect = Connect::kRefuse;
  Forwarding forwarding;
  L4Listener l4;  // of kTcp and kUdp
  // Requests for this path are answered by Sluice: whether it is worth sending others. Empty: none.
  std::string health_path;
  // Of kHttp and kHttps: how long nothing of an answer may flow to a client of HTTP/1.1 that has
  // ended its side behind its request, before the call is cancelled; zero: for any time.
  Duration half_closed_timeout = 5s;
  std::vector<NameRoute> routes;  // of kTls
  // Of kTls: names of no route are refused, and clients without a name get `service`.
  UnknownName unknown_name = UnknownName::kDefault;
  // Index into Snapshot::services. kNoService only for kTls: names of no route are refused.
  uint32_t service = 0;
  uint32_t slot = 0;

  static constexpr uint32_t kNoService = UINT32_MAX;

  // The three ways of a listener's connections: Sluice forwards packets, relays bytes, or serves
  // calls.
  bool forwards_packets() const {
    return protocol == Protocol::kUdp || (protocol == Protocol::kTcp && l4.mode != Forward::kRelay);
  }
  bool relays_bytes() const {
    return protocol == Protocol::kTls || (protocol == Protocol::kTcp && l4.mode == Forward::kRelay);
  }
  bool serves_calls() const { return !is_l4(protocol); }
  // Whether some connection of the listener may go to the service of that index.
  bool leads_to(uint32_t index) const {
    for (const NameRoute& r : routes)
      if (r.service == index) return true;
    return service == index;
  }
  bool ends_tls() const { return tls.contexts != nullptr; }

  bool operator==(const Listener&) const = default;
};

struct Snapshot;

// Some pods of a list leave, and others come: behind the edit, the places from `at` on have the
// `added` pods in the place of `removed` ones. Edits apply in order, each to the result of the one
// before.
struct PodEdit {
  uint32_t at = 0;
  uint32_t removed = 0;
  uint32_t added = 0;

  bool operator==(const PodEdit&) const = default;
};

struct PodChange {
  uint32_t service = 0;  // index into Snapshot::services
  std::vector<PodEdit> edits;

  bool operator==(const PodChange&) const = default;
};

// A snapshot that differs from the one before only in which pods some services have. A worker that
// uses the one before adopts the difference, and does not look at all the other pods.
struct Difference {
  // Published right before. It lives until every worker has adopted this snapshot.
  const Snapshot* from = nullptr;
  std::vector<PodChange> changes;

  bool operator==(const Difference&) const = default;
};

struct Snapshot {
  uint64_t generation = 0;  // 1 for the first, then one more with each published snapshot
  Startup startup;          // the same in all snapshots of one process
  std::string log_level = "info";
  Timeouts timeouts;
  FlowTimeouts flow_timeouts;
  Limits limits;
  Guards guards;
  AccessLog access_log;
  // From files that several nodes share. The first makes tickets, all open them. Empty: random keys
  // of this process, which change by themselves.
  std::vector<TicketKey> ticket_keys;
  std::vector<Service> services;
  std::vector<Listener> listeners;
  // Where two lead to equal networks, the first is used, and a route of the configuration before
  // both.
  SharedList<LearnedRoute> learned_routes;
  std::optional<Difference> difference;  // nullopt: anything may differ

  // Of a listener's service; empty when it has none.
  std::string service_name(const Listener& l) const {
    return l.service == Listener::kNoService ? std::string() : services[l.service].name;
  }

  bool operator==(const Snapshot&) const = default;
};

}  // namespace sluice::config
