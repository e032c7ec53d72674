#include "control/ledger.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace sluice::control {

bool Ledger::assign(config::Snapshot& snapshot, uint64_t adopted, std::string& why) {
  std::vector<std::string> pod_keys, listener_keys, service_keys;
  for (const config::Service& s : snapshot.services) {
    service_keys.push_back(s.name);
    for (const config::Pod& p : s.pods)
      pod_keys.push_back(fmt::format("{}\n{}\n{}", s.name, p.endpoint.str(), p.id));
  }
  // A listener that moves to another address is the same to the people who watch it.
  for (const config::Listener& l : snapshot.listeners) listener_keys.push_back(l.name);

  const auto pod_idle = [this](uint32_t slot) {
    const PodTotals t = sum(slot);
    return t.active == 0 && t.connections == 0;
  };
  const auto listener_idle = [this](uint32_t slot) {
    return std::all_of(workers_.begin(), workers_.end(), [slot](const stats::Worker* w) {
      return w->listener(slot).active_connections.get() == 0;
    });
  };
  const auto service_idle = [this](uint32_t slot) {
    return std::all_of(workers_.begin(), workers_.end(), [slot](const stats::Worker* w) {
      return w->service(slot).queued.get() == 0;
    });
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
    return false;
  }

  for (const uint32_t slot : reused) base_[slot] = sum(slot);
  size_t next = 0;
  for (size_t i = 0; i < snapshot.services.size(); ++i) {
    config::Service& s = snapshot.services[i];
    s.slot = (*services)[i];
    for (config::Pod& p : s.pods) {
      p.slot = (*pods)[next++];
      known_[p.slot] = {s.name, p, false};
    }
  }
  for (size_t i = 0; i < snapshot.listeners.size(); ++i)
    snapshot.listeners[i].slot = (*listeners)[i];
  return true;
}

std::vector<PodEntry> Ledger::pods(const config::Snapshot& current) const {
  std::vector<PodEntry> out;
  std::set<uint32_t> present;
  for (const config::Service& s : current.services)
    for (const config::Pod& p : s.pods) {
      out.push_back({s.name, p, false});
      present.insert(p.slot);
    }
  for (const auto& [slot, entry] : known_) {
    if (present.contains(slot)) continue;
    const PodTotals t = sum(slot);
    if (t.active == 0 && t.connections == 0) continue;
    out.push_back(entry);
    out.back().draining = true;
  }
  return out;
}

PodTotals Ledger::sum(uint32_t slot) const {
  PodTotals t;
  for (const stats::Worker* w : workers_) {
    const stats::Pod& p = w->pod(slot);
    t.streams += p.streams.get();
    t.active += p.active.get();
    t.failed += p.failed.get();
    t.retried += p.retried.get();
    t.connections += p.connections.get();
    t.latency.add(p.latency);
  }
  return t;
}

PodTotals Ledger::totals(uint32_t slot) const {
  PodTotals t = sum(slot);
  if (const auto it = base_.find(slot); it != base_.end()) {
    t.streams -= it->second.streams;
    t.failed -= it->second.failed;
    t.retried -= it->second.retried;
    t.latency.subtract(it->second.latency);
  }
  return t;
}

}  // namespace sluice::control
