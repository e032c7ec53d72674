#include <array>
#include <set>

#include <fmt/format.h>

#include "loader/read_endpoints.h"
#include "loader/read_listeners.h"
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
  if (const auto c = t.choice("proxy_protocol", {"none", "v2"}))
    service.proxy_protocol = *c == 0 ? config::ProxyProtocol::kNone : config::ProxyProtocol::kV2;
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
  if (endpoints.kubernetes) service.name_space = endpoints.kubernetes->service.name_space;
  t.finish();
}

}  // namespace

void read_services(Table& root, Reading& reading) {
  config::Snapshot& snapshot = reading.snapshot;
  std::set<std::string> names;
  size_t pods = 0;
  std::vector<Table> service_tables = root.tables("service");
  for (Table& t : service_tables) {
    config::Service service;
    if (t.string("name", service.name, true) && !names.insert(service.name).second)
      t.mistake("name", fmt::format("a second service {}; names must differ", service.name));
    read_service(t, reading, service, reading.endpoints.emplace_back());
    pods += service.pods.size();
    snapshot.services.push_back(std::move(service));
  }

  const std::set<std::string> used = read_listeners(root, service_tables, reading);
  size_t unused = 0;
  for (size_t i = 0; i < snapshot.services.size(); ++i)
    if (!used.contains(snapshot.services[i].name) && ++unused <= kMostAlike)
      reading.warnings.push_back(service_tables[i].place(
          "name", fmt::format("no listener uses the service {}", snapshot.services[i].name)));
  if (unused > kMostAlike)
    reading.warnings.push_back(service_tables.back().place(
        "name", fmt::format("no listener uses {} services in all", unused)));

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
