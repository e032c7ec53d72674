#include "admin/metrics.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "admin/pod_metrics.h"
#include "admin/request_metrics.h"
#include "admin/table_metrics.h"
#include "base/version.h"

namespace sluice::admin {
namespace {

using enum Exposition::Type;

// Another pod may have got an address by then.
constexpr std::chrono::minutes kStale{10};

void process(Exposition& out, const View& view) {
  uint64_t adopted = UINT64_MAX;
  for (const stats::Worker* w : view.ledger.workers()) adopted = std::min(adopted, w->generation());
  out.family("sluice_build_info", kGauge, "1, with the version");
  out.sample({{"version", kVersion}}, uint64_t{1});
  out.family("sluice_start_time_seconds", kGauge, "the start, as seconds since 1970");
  out.sample({}, view.identity.start_time_s);
  out.family("sluice_draining", kGauge, "1 from the first SIGTERM on");
  out.sample({}, uint64_t{view.identity.draining()});
  out.family("sluice_generation", kGauge, "the generation of the configuration in use");
  out.sample({}, view.current.generation);
  out.family("sluice_generation_adopted", kGauge,
             "the generation that all workers use; lower for a moment after a reload");
  out.sample({}, adopted);
  out.family("sluice_reload_refused", kGauge,
             "1 while the files on disk are refused, and an older configuration is in use");
  out.sample({}, uint64_t{view.identity.refused});
  out.family("sluice_access_log_lines_total", kCounter, "lines of the access log");
  out.sample({}, view.access_log.lines);
  out.family("sluice_access_log_lost_total", kCounter,
             "lines of the access log that nobody can read: too many at once, or the file is slow");
  out.sample({}, view.access_log.lost);
}

// One family of a number that stands in the worker itself.
template <class Number>
void of_workers(Exposition& out, const View& view, std::string_view name, Exposition::Type type,
                std::string_view help, Number number) {
  out.family(name, type, help);
  const auto workers = view.ledger.workers();
  for (size_t i = 0; i < workers.size(); ++i)
    out.sample({{"worker", std::to_string(i)}}, number(*workers[i], i));
}

void workers(Exposition& out, const View& view) {
  using stats::Worker;
  of_workers(out, view, "sluice_worker_loops_total", kCounter, "turns of the worker's loop",
             [](const Worker& w, size_t) { return w.loops.get(); });
  of_workers(out, view, "sluice_worker_cycles_total", kCounter,
             "cycles of the time stamp counter in the loop",
             [](const Worker& w, size_t) { return w.cycles.get(); });
  of_workers(out, view, "sluice_worker_busy_cycles_total", kCounter,
             "of these, cycles of turns that did something",
             [](const Worker& w, size_t) { return w.cycles_busy.get(); });
  of_workers(out, view, "sluice_worker_io_cycles_total", kCounter,
             "of all cycles, those inside drivers' receive and transmit calls",
             [](const Worker& w, size_t) { return w.cycles_io.get(); });
  of_workers(out, view, "sluice_worker_busy_ratio", kGauge,
             "share of busy cycles over the last second, 0 to 1",
             [&](const Worker&, size_t i) { return view.loads[i].busy; });
  of_workers(out, view, "sluice_worker_stalls_total", kCounter,
             "times that the loop stood still for a second and more",
             [&](const Worker&, size_t i) { return view.stalls[i].times; });
  of_workers(out, view, "sluice_worker_standing_still", kGauge, "1 while the loop stands still",
             [&](const Worker&, size_t i) { return uint64_t{view.stalls[i].standing}; });
  of_workers(out, view, "sluice_worker_adoption_longest_seconds", kGauge,
             "the longest time that the loop stood still for a new configuration, within 1/16",
             [](const Worker& w, size_t) {
               HistogramSum sum;
               sum.add(w.adoptions);
               return std::chrono::duration<double>(sum.longest()).count();
             });
  of_workers(out, view, "sluice_worker_rx_buffers_free", kGauge,
             "free packet buffers of the receive pool",
             [](const Worker& w, size_t) { return w.rx_buffers_free.get(); });
  of_workers(out, view, "sluice_worker_hold_buffers_free", kGauge,
             "free packet buffers of the hold pool",
             [](const Worker& w, size_t) { return w.hold_buffers_free.get(); });
  of_workers(out, view, "sluice_worker_slices_pinned_total", kCounter,
             "slices of received data that stayed in their buffers",
             [](const Worker& w, size_t) { return w.slices_pinned.get(); });
  of_workers(out, view, "sluice_worker_slices_copied_total", kCounter,
             "slices of received data that were copied: the receive pool was short",
             [](const Worker& w, size_t) { return w.slices_copied.get(); });
  of_workers(out, view, "sluice_worker_slices_refused_total", kCounter,
             "slices of received data that were dropped: both pools were short",
             [](const Worker& w, size_t) { return w.slices_refused.get(); });
}

void protocols(Exposition& out, const View& view) {
  TableSums tcp, tls, http1, http2, relay, steer, l4, splice;
  for (const stats::Worker* w : view.ledger.workers()) {
    tcp.add(0, w->tcp);
    tls.add(0, w->tls);
    http1.add(0, w->http1);
    http2.add(0, w->http2);
    relay.add(0, w->relay);
    steer.add(0, w->steer);
    l4.add(0, w->l4);
    splice.add(0, w->splice);
  }
  const auto sample = [&](size_t, uint64_t value) { out.sample({}, value); };
  tcp.write(out, "sluice_tcp_", sample);
  tls.write(out, "sluice_tls_", sample);
  http1.write(out, "sluice_http1_", sample);
  http2.write(out, "sluice_http2_", sample);
  relay.write(out, "sluice_relay_", sample);
  steer.write(out, "sluice_steer_", sample);
  l4.write(out, "sluice_l4_", sample);
  splice.write(out, "sluice_splice_", sample);
}

void ports(Exposition& out, const View& view) {
  const auto& ports = view.current.startup.ports;
  TableSums sums;
  std::vector<std::array<uint64_t, stats::kDrops>> drops(ports.size());
  for (const stats::Worker* w : view.ledger.workers())
    for (size_t p = 0; p < ports.size(); ++p) {
      sums.add(p, w->port(p));
      for (size_t d = 0; d < stats::kDrops; ++d) drops[p][d] += w->port(p).drops[d].get();
    }
  sums.write(out, "sluice_port_", [&](size_t p, uint64_t value) {
    out.sample({{"port", ports[p].name}}, value);
  });
  out.family("sluice_port_drops_total", kCounter,
             "packets dropped, by reason (operations.md explains each)");
  for (size_t p = 0; p < ports.size(); ++p)
    for (size_t d = 0; d < stats::kDrops; ++d)
      out.sample({{"port", ports[p].name}, {"reason", stats::kDropInfo[d].name}}, drops[p][d]);
  out.family("sluice_port_link_up", kGauge, "1 while the port has a link");
  for (size_t p = 0; p < ports.size(); ++p)
    out.sample({{"port", ports[p].name}}, uint64_t{view.link_up(p)});
}

void listeners(Exposition& out, const View& view) {
  const auto& listeners = view.current.listeners;
  const auto service = [&](size_t i) { return view.current.service_name(listeners[i]); };
  TableSums sums;
  std::vector<std::array<uint64_t, stats::kFailures>> failures(listeners.size());
  for (const stats::Worker* w : view.ledger.workers())
    for (size_t i = 0; i < listeners.size(); ++i) {
      const stats::Listener& l = w->listener(listeners[i].slot);
      sums.add(i, l);
      for (size_t f = 0; f < stats::kFailures; ++f) failures[i][f] += l.failures[f].get();
    }
  sums.write(out, "sluice_listener_", [&](size_t i, uint64_t value) {
    out.sample({{"listener", listeners[i].name}, {"service", service(i)}}, value);
  });
  out.family("sluice_listener_failures_total", kCounter,
             "streams that Sluice itself had to end, by reason");
  for (size_t i = 0; i < listeners.size(); ++i)
    for (size_t f = 0; f < stats::kFailures; ++f)
      out.sample({{"listener", listeners[i].name},
                  {"service", service(i)},
                  {"reason", stats::kFailureInfo[f].name}},
                 failures[i][f]);
}

void services(Exposition& out, const View& view) {
  const auto& services = view.current.services;
  TableSums sums;
  for (const stats::Worker* w : view.ledger.workers())
    for (size_t i = 0; i < services.size(); ++i) sums.add(i, w->service(services[i].slot));
  sums.write(out, "sluice_service_", [&](size_t i, uint64_t value) {
    out.sample({{"service", services[i].name}}, value);
  });
}

template <class Number>
void of_sources(Exposition& out, const View& view, std::string_view name, std::string_view help,
                Number number) {
  out.family(name, kGauge, help);
  for (size_t i = 0; i < view.sources.size(); ++i)
    out.sample({{"service", view.current.services[i].name}}, number(*view.sources[i]));
}

void discovery(Exposition& out, const View& view) {
  using Source = discovery::Source;
  of_sources(out, view, "sluice_discovery_endpoints", "endpoints that the source has",
             [](const Source& s) { return uint64_t{s.endpoints().size()}; });
  out.family("sluice_discovery_unreachable", kGauge,
             "endpoints that get no calls, since no port's network and no route contains them");
  for (const config::Service& s : view.current.services)
    out.sample({{"service", s.name}}, uint64_t{s.unreachable.size()});
  of_sources(out, view, "sluice_discovery_age_seconds",
             "seconds since the source confirmed its endpoints",
             [](const Source& s) { return std::chrono::duration<double>(s.age()).count(); });
  of_sources(out, view, "sluice_discovery_failing",
             "1 while the endpoints may not be the latest; sluicectl sources has the reason",
             [](const Source& s) { return uint64_t{!s.last_error().empty()}; });
  of_sources(out, view, "sluice_discovery_stale",
             "1 when Kubernetes or DNS has confirmed nothing for ten minutes: another pod may have "
             "an address by now",
             [](const Source& s) { return uint64_t{s.kept() && s.age() >= kStale}; });
  out.family("sluice_discovery_unreadable_total", kCounter,
             "objects of the Kubernetes API that could not be read, and stayed as they were; the "
             "log has the reasons");
  out.sample({}, view.unreadable);
  out.family(
      "sluice_discovery_lag_seconds", kHistogram,
      "of each pod that came or left: from the moment that the API's event, or the answer of "
      "DNS, is read, to the first moment that every worker may pick the pod, or none does "
      "any more; in steps of a millisecond");
  if (view.discovery_lag != nullptr) durations(out, *view.discovery_lag);
  out.family("sluice_discovery_trigger_lag_seconds", kHistogram,
             "of each change of an EndpointSlice: from the time of its annotation "
             "endpoints.kubernetes.io/last-change-trigger-time to the moment that every worker "
             "uses it, like kube-proxy's network_programming_duration");
  if (view.trigger_lag != nullptr) durations(out, *view.trigger_lag);
}

}  // namespace

Exposition metrics(const View& view) {
  Exposition out;
  process(out, view);
  request_metrics(out, view);
  listeners(out, view);
  services(out, view);
  pod_metrics(out, view);
  discovery(out, view);
  workers(out, view);
  ports(out, view);
  protocols(out, view);
  return out;
}

}  // namespace sluice::admin
