#include "admin/report.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include <boost/json/array.hpp>

#include "admin/pod_state.h"
#include "base/version.h"
#include "discovery/reachability.h"

namespace sluice::admin {
namespace json = boost::json;
namespace {

const char* name_of(config::Protocol protocol) {
  switch (protocol) {
    case config::Protocol::kH2c:
      return "h2c";
    case config::Protocol::kHttp:
      return "http";
    case config::Protocol::kHttps:
      return "https";
    case config::Protocol::kTcp:
      return "tcp";
    case config::Protocol::kUdp:
      return "udp";
    case config::Protocol::kTls:
      return "tls";
  }
  return "";
}

// Empty: the listener serves calls.
const char* mode_of(const config::Listener& l) {
  if (l.serves_calls()) return "";
  if (l.relays_bytes()) return "relay";
  switch (l.l4.mode) {
    case config::Forward::kNat:
      return "nat";
    case config::Forward::kRelay:
      return "relay";
    case config::Forward::kDsr:
      return "dsr";
    case config::Forward::kIpip:
      return "ipip";
  }
  return "";
}

// Numbers by name.
template <class Group>
json::object group(const Group& g) {
  json::object out;
  g.for_each(
      [&](std::string_view name, const auto& value, std::string_view) { out[name] = value.get(); });
  return out;
}

json::object drops_of(const stats::Port& port) {
  json::object out;
  for (size_t i = 0; i < stats::kDrops; ++i) out[stats::kDropInfo[i].name] = port.drops[i].get();
  return out;
}

double micros(Duration d) {
  return static_cast<double>(d.count()) / 1000;
}

// Why the pod cannot be reached; empty: it can, or nobody has tried.
std::string_view reason(const Ledger& ledger, uint32_t slot) {
  for (const stats::Worker* w : ledger.workers()) {
    const std::string_view text = w->pod(slot).reason.load(std::memory_order_relaxed);
    if (!text.empty()) return text;
  }
  return {};
}

// How the pods' certificates are judged, by service; services in cleartext are left out.
std::unordered_map<std::string_view, std::string_view> tls_of(const config::Snapshot& current) {
  std::unordered_map<std::string_view, std::string_view> out;
  for (const config::Service& s : current.services)
    if (config::is_secure(s.protocol))
      out[s.name] = s.tls.verify == config::TlsClient::Verify::kNone ? "unverified" : "verified";
  return out;
}

}  // namespace

json::object report_status(const config::Snapshot& current, const Ledger& ledger,
                           const Identity& identity) {
  uint64_t adopted = UINT64_MAX;
  for (const stats::Worker* w : ledger.workers()) adopted = std::min(adopted, w->generation());
  return {{"version", kVersion},
          {"pid", ::getpid()},
          {"state", identity.state},
          {"uptime_s", identity.uptime_s},
          {"config", identity.file},
          {"generation", current.generation},
          // Lower until each worker has adopted the current one.
          {"generation_adopted", adopted},
          {"last_reload_refused", identity.refused}};
}

namespace {

// An endpoint that has no slot, and so no numbers.
json::object unreachable_row(const config::Service& service, const config::Pod& pod) {
  json::object row{{"service", service.name},
                   {"id", pod.id},
                   {"address", pod.endpoint.str()},
                   {"state", "UNREACHABLE"},
                   {"reason", discovery::Reachability::kWhyNot},
                   {"tls", ""},
                   {"draining", false},
                   {"weight", pod.weight},
                   {"lag_ms", nullptr}};
  for (const char* number : {"active", "streams", "failed", "retried", "connections", "relayed_in",
                             "relayed_out", "p50_us", "p99_us"})
    row[number] = 0;
  return row;
}

}  // namespace

json::object report_pods(const config::Snapshot& current, const Ledger& ledger) {
  json::array rows;
  const auto tls = tls_of(current);
  for (const PodEntry& e : ledger.pods(current)) {
    const PodTotals t = ledger.totals(e.pod.slot);
    json::object row;
    row["service"] = e.service;
    row["id"] = e.pod.id;
    row["address"] = e.pod.endpoint.str();
    row["state"] = pods::text_of(state_of(ledger, e.pod.slot));
    row["reason"] = reason(ledger, e.pod.slot);
    const auto secure = tls.find(e.service);
    row["tls"] = secure == tls.end() ? std::string_view() : secure->second;
    row["draining"] = e.draining;
    row["weight"] = e.pod.weight;
    row["active"] = t.active;
    row["streams"] = t.streams;
    row["failed"] = t.failed;
    row["retried"] = t.retried;
    row["connections"] = t.connections;
    row["relayed_in"] = t.relayed_in;
    row["relayed_out"] = t.relayed_out;
    row["p50_us"] = micros(t.latency.quantile(0.5));
    row["p99_us"] = micros(t.latency.quantile(0.99));
    row["lag_ms"] = nullptr;
    if (e.lag) row["lag_ms"] = micros(*e.lag) / 1000;
    rows.push_back(std::move(row));
  }
  for (const config::Service& s : current.services)
    for (const config::Pod& p : s.unreachable) rows.push_back(unreachable_row(s, p));
  return {{"pods", std::move(rows)}};
}

json::object report_listeners(const config::Snapshot& current, const Ledger& ledger) {
  json::array rows;
  for (const config::Listener& l : current.listeners) {
    uint64_t connections = 0, active_connections = 0, streams = 0, active_streams = 0;
    uint64_t relayed_in = 0, relayed_out = 0;
    std::array<uint64_t, stats::kFailures> failures{};
    for (const stats::Worker* w : ledger.workers()) {
      const stats::Listener& s = w->listener(l.slot);
      connections += s.connections.get();
      active_connections += s.active_connections.get();
      streams += s.streams.get();
      active_streams += s.active_streams.get();
      relayed_in += s.relayed_in.get();
      relayed_out += s.relayed_out.get();
      for (size_t i = 0; i < stats::kFailures; ++i) failures[i] += s.failures[i].get();
    }
    json::object row;
    row["name"] = l.name;
    row["address"] = l.address.str();
    row["protocol"] = name_of(l.protocol);
    row["connect"] = l.connect == config::Connect::kPass ? "pass" : "refuse";
    row["mode"] = mode_of(l);
    row["service"] = current.service_name(l);
    row["connections"] = connections;
    row["active_connections"] = active_connections;
    row["streams"] = streams;
    row["active_streams"] = active_streams;
    row["relayed_in"] = relayed_in;
    row["relayed_out"] = relayed_out;
    json::object reasons;
    for (size_t i = 0; i < stats::kFailures; ++i)
      reasons[stats::kFailureInfo[i].name] = failures[i];
    row["failed"] = std::accumulate(failures.begin(), failures.end(), uint64_t{0});
    row["failures"] = std::move(reasons);
    rows.push_back(std::move(row));
  }
  return {{"listeners", std::move(rows)}};
}

json::object report_sources(const config::Snapshot& current,
                            std::span<const discovery::Source* const> sources) {
  json::array rows;
  for (size_t i = 0; i < sources.size(); ++i) {
    const discovery::Source& s = *sources[i];
    json::object row;
    row["service"] = current.services[i].name;
    row["source"] = s.name();
    row["endpoints"] = s.endpoints().size();
    row["pods"] = current.services[i].pods.size();
    row["age_s"] = std::chrono::duration<double>(s.age()).count();
    row["last_error"] = s.last_error();
    rows.push_back(std::move(row));
  }
  return {{"sources", std::move(rows)}};
}

json::object report_stats(const config::Snapshot& current, const Ledger& ledger,
                          const std::vector<Load>& loads, const Identity& identity) {
  json::array workers;
  for (size_t i = 0; i < ledger.workers().size(); ++i) {
    const stats::Worker& w = *ledger.workers()[i];
    json::array ports;
    for (size_t p = 0; p < current.startup.ports.size(); ++p) {
      json::object port;
      port["name"] = current.startup.ports[p].name;
      for (auto& [name, value] : group(w.port(p))) port[name] = value;
      port["drops"] = drops_of(w.port(p));
      ports.push_back(std::move(port));
    }
    json::object row;
    row["id"] = i;
    row["generation"] = w.generation();
    row["busy"] = rounded(loads[i].busy);
    row["io"] = rounded(loads[i].io);
    row["loops"] = w.loops.get();
    row["cycles"] = w.cycles.get();
    row["cycles_busy"] = w.cycles_busy.get();
    row["cycles_io"] = w.cycles_io.get();
    row["cycles_io_busy"] = w.cycles_io_busy.get();
    row["memory"] = {{"rx_buffers_free", w.rx_buffers_free.get()},
                     {"hold_buffers_free", w.hold_buffers_free.get()},
                     {"slices_pinned", w.slices_pinned.get()},
                     {"slices_copied", w.slices_copied.get()},
                     {"slices_refused", w.slices_refused.get()}};
    row["tcp"] = group(w.tcp);
    row["http1"] = group(w.http1);
    json::object http2 = group(w.http2);
    // Under one name, since people look for both when a call fails.
    for (auto& [name, value] : group(w.relay)) http2[name] = value;
    row["http2"] = std::move(http2);
    row["tls"] = group(w.tls);
    row["steer"] = group(w.steer);
    row["l4"] = group(w.l4);
    row["splice"] = group(w.splice);
    row["ports"] = std::move(ports);
    workers.push_back(std::move(row));
  }
  json::object out = report_status(current, ledger, identity);
  out["workers"] = std::move(workers);
  return out;
}

}  // namespace sluice::admin
