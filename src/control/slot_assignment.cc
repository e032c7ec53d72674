#include "control/slot_assignment.h"

#include <algorithm>

#include <fmt/format.h>

namespace sluice::control {

template <class Fn>
bool SlotAssignment::all(Fn&& fn) const {
  return std::all_of(workers_.begin(), workers_.end(),
                     [&](const stats::Worker* w) { return fn(*w); });
}

std::optional<std::vector<uint32_t>> SlotAssignment::assign(config::Snapshot& snapshot,
                                                            uint64_t adopted, std::string& why) {
  std::vector<std::string> pod_keys, listener_keys, service_keys;
  for (const config::Service& s : snapshot.services) {
    service_keys.push_back(s.name);
    for (const config::Pod& p : s.pods)
      pod_keys.push_back(fmt::format("{}\n{}\n{}", s.name, p.endpoint.str(), p.id));
  }
  // A listener that moves to another address is the same listener to the people who watch it.
  for (const config::Listener& l : snapshot.listeners) listener_keys.push_back(l.name);

  const auto pod_idle = [this](uint32_t slot) {
    return all([slot](const stats::Worker& w) {
      return w.pod(slot).active.get() == 0 && w.pod(slot).connections.get() == 0;
    });
  };
  const auto listener_idle = [this](uint32_t slot) {
    return all(
        [slot](const stats::Worker& w) { return w.listener(slot).active_connections.get() == 0; });
  };
  const auto service_idle = [this](uint32_t slot) {
    return all([slot](const stats::Worker& w) { return w.service(slot).queued.get() == 0; });
  };
  std::vector<uint32_t> reused, ignored;
  const uint64_t g = snapshot.generation;
  const auto services = services_.assign(service_keys, g, adopted, service_idle, ignored);
  const auto listeners = listeners_.assign(listener_keys, g, adopted, listener_idle, ignored);
  const auto pods = pods_.assign(pod_keys, g, adopted, pod_idle, reused);
  if (!services || !listeners || !pods) {
    why = fmt::format("too many {} drain; wait until they have ended", !services    ? "services"
                                                                       : !listeners ? "listeners"
                                                                                    : "pods");
    return std::nullopt;
  }

  size_t next = 0;
  for (size_t i = 0; i < snapshot.services.size(); ++i) {
    config::Service& s = snapshot.services[i];
    s.slot = (*services)[i];
    for (config::Pod& p : s.pods) p.slot = (*pods)[next++];
  }
  for (size_t i = 0; i < snapshot.listeners.size(); ++i)
    snapshot.listeners[i].slot = (*listeners)[i];
  return reused;
}

}  // namespace sluice::control
