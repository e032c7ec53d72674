#include "admin/pod_metrics.h"

#include "admin/pod_state.h"

namespace sluice::admin {

void pod_metrics(Exposition& out, const View& view) {
  using enum Exposition::Type;
  const std::vector<PodEntry> pods = view.ledger.remembered(view.current);
  std::vector<PodCounts> totals;
  totals.reserve(pods.size());
  for (const PodEntry& p : pods) totals.push_back(view.ledger.counts(p.pod.slot));
  const auto family = [&](std::string_view name, Exposition::Type type, std::string_view help,
                          auto number) {
    out.family(name, type, help);
    for (size_t i = 0; i < pods.size(); ++i)
      out.sample({{"service", pods[i].service},
                  {"pod", pods[i].pod.id},
                  {"address", pods[i].pod.endpoint.str()}},
                 uint64_t{number(totals[i], pods[i])});
  };
  family("sluice_pod_ready", kGauge, "1 while some worker has a connection to the pod",
         [&](const PodCounts&, const PodEntry& p) {
           return state_of(view.ledger, p.pod.slot) == pods::Connectivity::kReady;
         });
  family("sluice_pod_draining", kGauge, "1 when the pod is no endpoint any more",
         [](const PodCounts&, const PodEntry& p) { return p.draining; });
  family("sluice_pod_streams_total", kCounter, "streams sent to the pod, retries included",
         [](const PodCounts& t, const PodEntry&) { return t.streams; });
  family("sluice_pod_active_streams", kGauge, "streams on the pod now",
         [](const PodCounts& t, const PodEntry&) { return t.active; });
  family("sluice_pod_failed_total", kCounter,
         "streams whose calls failed without the pod's own end",
         [](const PodCounts& t, const PodEntry&) { return t.failed; });
  family("sluice_pod_retried_total", kCounter, "streams taken back, and their calls tried again",
         [](const PodCounts& t, const PodEntry&) { return t.retried; });
  family("sluice_pod_connections", kGauge, "connections to the pod now",
         [](const PodCounts& t, const PodEntry&) { return t.connections; });
  family("sluice_pod_connect_failures_total", kCounter, "connections that were not established",
         [](const PodCounts& t, const PodEntry&) { return t.connect_failures; });
  family("sluice_pod_relayed_in_total", kCounter, "bytes relayed to the pod",
         [](const PodCounts& t, const PodEntry&) { return t.relayed_in; });
  family("sluice_pod_relayed_out_total", kCounter, "bytes relayed from the pod",
         [](const PodCounts& t, const PodEntry&) { return t.relayed_out; });
}

}  // namespace sluice::admin
