#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <fmt/format.h>

#include "loader/read_endpoints.h"
#include "loader/reading.h"
#include "stats/worker.h"

namespace sluice::loader {
namespace {

void read_service(Table& t, Reading& reading, config::Service& service,
                  ServiceEndpoints& endpoints) {
  if (const auto c = t.choice("balance", {"round_robin", "least_request"}))
    service.balance = *c == 0 ? config::Balance::kRoundRobin : config::Balance::kLeastRequest;
  constexpr std::array kProtocols{config::PodProtocol::kH2c, config::PodProtocol::kHttp1,
                                  config::PodProtocol::kH2, config::PodProtocol::kHttps1};
  if (const auto c = t.choice("protocol", {"h2c", "http1", "h2", "https1"}))
    service.protocol = kProtocols.at(*c);
  read_pod_tls(t, reading, service);
  service.connect_timeout = reading.snapshot.timeouts.connect;
  service.queue_timeout = reading.snapshot.timeouts.queue;
  service.call_timeout = reading.snapshot.timeouts.call;
  service.stream_idle_timeout = reading.snapshot.timeouts.stream_idle;
  service.max_stream_age = reading.snapshot.timeouts.max_stream_age;
  service.queue_limit = reading.snapshot.limits.queued_streams;
  t.duration("connect_timeout", service.connect_timeout, 1ms, 24h);
  t.duration("queue_timeout", service.queue_timeout, 0s, 24h);
  t.duration("timeout", service.call_timeout, 0s, 24h);
  t.duration("stream_idle_timeout", service.stream_idle_timeout, 0s, 24h);
  t.duration("max_stream_age", service.max_stream_age, 0s, 24h);
  t.duration("ping_interval", service.ping_interval, 0s, 24h);
  t.duration("ping_timeout", service.ping_timeout, 1ms, 24h);
  t.boolean("ping_without_calls", service.ping_without_calls);
  t.integer("queued_streams", service.queue_limit, 0, 1 << 20);
  read_retry(t, service.retry);
  read_endpoints(t, reading, endpoints);
  service.pods = discovery::pods_of(endpoints.endpoints);
  t.finish();
}

void read_forwarding(Table& t, config::Forwarding& forwarding) {
  constexpr size_t kLongestName = 64;  // bytes; the name travels with every request
  if (t.string("via", forwarding.via)) {
    const auto allowed = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_';
    };
    if (forwarding.via.empty() || forwarding.via.size() > kLongestName ||
        !std::all_of(forwarding.via.begin(), forwarding.via.end(), allowed))
      t.mistake("via", fmt::format("via = \"{}\" is not a name; it must be 1 to {} letters, "
                                   "digits, \"-\", \".\" or \"_\"",
                                   forwarding.via, kLongestName));
  }
  t.boolean("x_forwarded_for", forwarding.x_forwarded_for);
  t.boolean("forwarded", forwarding.forwarded);
}

void read_l4(Table& t, config::Listener& listener) {
  if (!config::is_l4(listener.protocol)) {
    for (const char* key : {"mode", "new_flows", "new_flows_per_source"})
      if (t.has(key))
        t.mistake(key, fmt::format("{} is of listeners with protocol = \"tcp\" or \"udp\"", key));
    return;
  }
  for (const char* key : {"connect", "via", "x_forwarded_for", "forwarded", "health_path"})
    if (t.has(key))
      t.mistake(key, fmt::format("{} is not of listeners with protocol = \"tcp\" or \"udp\", which "
                                 "forward packets and see no requests",
                                 key));
  std::string mode;
  if (t.string("mode", mode) && mode != "nat") {
    const bool planned = mode == "relay" || mode == "dsr" || mode == "ipip";
    t.mistake("mode", fmt::format("mode = \"{}\" is {}; allowed: nat", mode,
                                  planned ? "not there yet" : "unknown"));
  }
  constexpr int64_t kMost = 100'000'000;
  t.integer("new_flows", listener.l4.new_flows, 0, kMost);
  t.integer("new_flows_per_source", listener.l4.new_flows_per_source, 0, kMost);
}

// RFC 9110, 4.1: an absolute path.
void read_health_path(Table& t, std::string& path) {
  if (!t.string("health_path", path)) return;
  const bool bad = std::any_of(path.begin(), path.end(),
                               [](char c) { return c <= ' ' || c > '~' || c == '?' || c == '#'; });
  if (bad || !path.starts_with('/'))
    t.mistake(
        "health_path",
        fmt::format("health_path = \"{}\" is no path like \"/healthz\", without a query", path));
}

}  // namespace

void read_services(Table& root, Reading& reading) {
  config::Snapshot& snapshot = reading.snapshot;
  std::map<std::string, uint32_t> services;
  size_t pods = 0;
  bool all_named = true;
  std::vector<Table> service_tables = root.tables("service");
  for (Table& t : service_tables) {
    config::Service service;
    if (!t.string("name", service.name, true)) {
      all_named = false;
    } else if (!services.emplace(service.name, snapshot.services.size()).second) {
      t.mistake("name", fmt::format("a second service {}; names must differ", service.name));
    }
    read_service(t, reading, service, reading.endpoints.emplace_back());
    pods += service.pods.size();
    snapshot.services.push_back(std::move(service));
  }

  std::set<std::string> names;
  std::set<std::string> used;
  std::set<std::pair<Endpoint, bool>> addresses;  // with whether the listener is of UDP
  for (Table& t : root.tables("listener")) {
    config::Listener listener;
    if (t.string("name", listener.name, true) && !names.insert(listener.name).second)
      t.mistake("name", fmt::format("a second listener {}; names must differ", listener.name));
    if (const auto e = read_endpoint(t, "address")) {
      listener.address = *e;
    }
    if (!t.has("protocol"))
      t.mistake("[[listener]] lacks protocol; allowed: h2c, http, https, tcp, udp");
    constexpr std::array kProtocols{config::Protocol::kH2c, config::Protocol::kHttp,
                                    config::Protocol::kHttps, config::Protocol::kTcp,
                                    config::Protocol::kUdp};
    if (const auto protocol = t.choice("protocol", {"h2c", "http", "https", "tcp", "udp"}))
      listener.protocol = kProtocols.at(*protocol);
    if (listener.address != Endpoint{} &&
        !addresses.emplace(listener.address, listener.protocol == config::Protocol::kUdp).second)
      t.mistake("address", fmt::format("a second listener on {}; addresses must differ",
                                       listener.address.str()));
    read_l4(t, listener);
    read_tls(t, reading, listener);
    if (const auto connect = t.choice("connect", {"refuse", "pass"}))
      listener.connect = *connect == 1 ? config::Connect::kPass : config::Connect::kRefuse;
    read_forwarding(t, listener.forwarding);
    read_health_path(t, listener.health_path);
    std::string service;
    if (t.string("service", service, true)) {
      used.insert(service);
      const auto it = services.find(service);
      if (it != services.end()) {
        listener.service = it->second;
      } else if (all_named) {  // else it may be the service whose name is wrong
        std::vector<std::string> known;
        known.reserve(services.size());
        for (const auto& [name, index] : services) known.push_back(name);
        t.mistake("service",
                  fmt::format("there is no service {}; known: {}", service,
                              known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", "))));
      }
    }
    t.finish();
    snapshot.listeners.push_back(std::move(listener));
  }

  for (size_t i = 0; i < snapshot.services.size(); ++i)
    if (!used.contains(snapshot.services[i].name))
      reading.warnings.push_back(service_tables[i].place(
          "name", fmt::format("no listener uses the service {}", snapshot.services[i].name)));

  const auto at_most = [&](std::string_view key, size_t have, size_t allowed) {
    if (have > allowed)
      root.mistake(key, fmt::format("{} of {}; at most {} are allowed", have, key, allowed));
  };
  at_most("service", snapshot.services.size(), stats::kMaxServices);
  at_most("listener", snapshot.listeners.size(), stats::kMaxListeners);
  if (pods > stats::kMaxPods)
    root.mistake("service",
                 fmt::format("{} pods in all; at most {} are allowed", pods, stats::kMaxPods));
}

}  // namespace sluice::loader
