#include "control/change_log.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace sluice::control {
namespace {

using What = stats::Change::What;

std::string pod_of(uint32_t slot, const admin::Ledger& ledger) {
  const admin::PodEntry* e = ledger.pod(slot);
  if (e == nullptr) return "a pod";
  const std::string address = e->pod.endpoint.str();
  return e->pod.id.empty() ? fmt::format("service {}: pod {}", e->service, address)
                           : fmt::format("service {}: pod {} ({})", e->service, e->pod.id, address);
}

std::string_view service_of(uint32_t slot, const config::Snapshot& current) {
  const auto it = std::find_if(current.services.begin(), current.services.end(),
                               [&](const config::Service& s) { return s.slot == slot; });
  return it == current.services.end() ? std::string_view("(removed)") : it->name;
}

std::string_view port_of(uint32_t index, const config::Snapshot& current) {
  return index < current.startup.ports.size() ? current.startup.ports[index].name
                                              : std::string_view("?");
}

spdlog::level::level_enum level_of(const stats::Change& c) {
  if (c.routine) return spdlog::level::debug;
  switch (c.what) {
    case What::kPodUnreachable:
    case What::kServiceDown:
    case What::kNeighbourLost:
      return spdlog::level::warn;
    default:
      return spdlog::level::info;
  }
}

}  // namespace

std::string line_of(const stats::Change& c, const config::Snapshot& current,
                    const admin::Ledger& ledger) {
  switch (c.what) {
    case What::kPodReady:
      return fmt::format("{} is READY", pod_of(c.slot, ledger));
    case What::kPodLost:
      return fmt::format("{}: the last connection is lost: {}; connecting again",
                         pod_of(c.slot, ledger), c.reason);
    case What::kPodUnreachable:
      return fmt::format("{} is not reachable: {}; trying on", pod_of(c.slot, ledger), c.reason);
    case What::kPodLeft:
      return fmt::format("{} has left the endpoints", pod_of(c.slot, ledger));
    case What::kServiceDown:
      return fmt::format("service {}: no pod reachable ({}); its calls fail",
                         service_of(c.slot, current), c.reason);
    case What::kServiceUp:
      return fmt::format("service {}: a pod is reachable again", service_of(c.slot, current));
    case What::kNeighbourLost:
      return fmt::format("port {}: nobody answers {} for {}", port_of(c.slot, current),
                         c.neighbour.is_v4() ? "ARP" : "neighbour discovery", c.neighbour.str());
    case What::kNeighbourBack:
      return fmt::format("port {}: {} answers again", port_of(c.slot, current), c.neighbour.str());
  }
  return {};
}

void ChangeLog::look(const config::Snapshot& current, const admin::Ledger& ledger) {
  unsigned logged = 0;
  uint64_t lost = 0;
  for (stats::Worker* w : ledger.workers()) {
    while (const auto c = w->changes.pop()) {
      // A change that concerns all calls of a service is never left out.
      const bool always = c->what == What::kServiceDown || c->what == What::kServiceUp;
      const auto level = level_of(*c);
      if (!spdlog::should_log(level)) continue;
      if (++logged > kLinesInALook && !always) {
        ++unlogged_;
        continue;
      }
      spdlog::log(level, line_of(*c, current, ledger));
    }
    lost += w->changes.lost();
  }
  unlogged_ += lost - std::exchange(lost_, lost);
  if (logged <= kLinesInALook && unlogged_ > 0)
    spdlog::info("{} more change(s) of pods and neighbours; see sluicectl pods",
                 std::exchange(unlogged_, 0));
}

}  // namespace sluice::control
