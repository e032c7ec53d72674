#include "control/slot_assignment.h"

#include <algorithm>

#include <fmt/format.h>

#include "control/pod_changes.h"

namespace sluice::control {

template <class Fn>
bool SlotAssignment::all(Fn&& fn) const {
  return std::all_of(workers_.begin(), workers_.end(),
                     [&](const stats::Worker* w) { return fn(*w); });
}

bool SlotAssignment::is_idle_pod(uint32_t slot) const {
  return all([slot](const stats::Worker& w) {
    return w.pod(slot).active.get() == 0 && w.pod(slot).connections.get() == 0;
  });
}

namespace {

std::string key_of(const config::Service& service, const config::Pod& pod) {
  return fmt::format("{}\n{}\n{}", service.name, pod.endpoint.str(), pod.id);
}

}  // namespace

std::optional<SlotAssignment::PodNews> SlotAssignment::assign_pods(
    config::Snapshot& snapshot, const config::Snapshot& before, std::span<const uint32_t> services,
    uint64_t adopted, std::string& why) {
  PodNews news;
  std::vector<std::string> keys;
  config::Difference difference{.from = &before, .changes = {}};
  bool differs_by_edits = true;
  for (const uint32_t index : services) {
    const config::Service& s = snapshot.services[index];
    const auto& old = before.services[index].pods;
    PodNews::Of& of = news.by_service.emplace_back();
    const std::vector<bool> stay = slots_of(s.pods);
    for (uint32_t i = 0; i < s.pods.size(); ++i) {
      if (s.pods[i].slot != kNoSlot) continue;
      news.came.push_back({index, i});
      keys.push_back(key_of(s, s.pods[i]));
    }
    for (const config::Pod& p : old)
      if (!stay[p.slot]) {
        news.left.push_back(p.slot);
        ++of.left;
      }
    if (auto edits = edits_between(old, s.pods)) {
      difference.changes.push_back({index, std::move(*edits)});
    } else {
      differs_by_edits = false;
    }
  }
  const auto slots = pods_.change(
      keys, news.left, {snapshot.generation, adopted},
      [this](uint32_t slot) { return is_idle_pod(slot); }, news.reused);
  if (!slots) {
    why = "too many pods drain; wait until they have ended";
    return std::nullopt;
  }
  size_t at = 0;
  for (size_t i = 0; i < slots->size(); ++i) {
    const auto& [service, pod] = news.came[i];
    while (services[at] != service) ++at;
    snapshot.services[service].pods.edit()[pod].slot = (*slots)[i];
    news.by_service[at].came.push_back((*slots)[i]);
  }
  snapshot.difference.reset();
  if (differs_by_edits) snapshot.difference = std::move(difference);
  return news;
}

std::optional<std::vector<uint32_t>> SlotAssignment::assign(config::Snapshot& snapshot,
                                                            uint64_t adopted, std::string& why) {
  std::vector<std::string> pod_keys, listener_keys, service_keys;
  for (const config::Service& s : snapshot.services) {
    service_keys.push_back(s.name);
    for (const config::Pod& p : s.pods) pod_keys.push_back(key_of(s, p));
  }
  // A listener that moves to another address is the same listener to the people who watch it.
  for (const config::Listener& l : snapshot.listeners) listener_keys.push_back(l.name);

  const auto pod_idle = [this](uint32_t slot) { return is_idle_pod(slot); };
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
    if (!s.pods.empty())
      for (config::Pod& p : s.pods.edit()) p.slot = (*pods)[next++];
  }
  for (size_t i = 0; i < snapshot.listeners.size(); ++i)
    snapshot.listeners[i].slot = (*listeners)[i];
  return reused;
}

}  // namespace sluice::control
