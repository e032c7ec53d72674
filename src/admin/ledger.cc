#include "admin/ledger.h"

#include <set>

namespace sluice::admin {

void Ledger::record(const config::Snapshot& snapshot, std::span<const uint32_t> reused) {
  for (const uint32_t slot : reused) base_[slot] = {sum(slot), latency(slot)};
  const auto now = std::chrono::steady_clock::now();
  std::set<uint32_t> present;
  for (const config::Service& s : snapshot.services)
    for (const config::Pod& p : s.pods) present.insert(p.slot);
  for (auto& [slot, entry] : known_)
    if (!entry.left && !present.contains(slot)) entry.left = now;
  for (const config::Service& s : snapshot.services)
    for (const config::Pod& p : s.pods) note(s.name, p);
}

void Ledger::note(const std::string& service, const config::Pod& pod) {
  PodEntry& e = known_[pod.slot];
  const bool same =
      e.service == service && e.pod.endpoint == pod.endpoint && e.pod.id == pod.id && !e.left;
  const auto lag = same ? e.lag : std::nullopt;
  e = {service, pod, false, std::nullopt, lag};
}

void Ledger::record_change(const config::Snapshot& snapshot,
                           std::span<const std::pair<uint32_t, uint32_t>> came,
                           std::span<const uint32_t> left, std::span<const uint32_t> reused) {
  for (const uint32_t slot : reused) base_[slot] = {sum(slot), latency(slot)};
  const auto now = std::chrono::steady_clock::now();
  for (const uint32_t slot : left) known_[slot].left = now;
  for (const auto& [service, pod] : came) {
    const config::Service& s = snapshot.services[service];
    note(s.name, s.pods[pod]);
  }
}

void Ledger::set_lag(uint32_t slot, std::chrono::nanoseconds lag) {
  if (const auto it = known_.find(slot); it != known_.end()) it->second.lag = lag;
}

std::vector<PodEntry> Ledger::pods(const config::Snapshot& current) const {
  return entries(current, {});
}

std::vector<PodEntry> Ledger::remembered(const config::Snapshot& current) const {
  return entries(current, kRemembered);
}

std::vector<PodEntry> Ledger::entries(const config::Snapshot& current,
                                      std::chrono::steady_clock::duration after_leaving) const {
  const auto now = std::chrono::steady_clock::now();
  std::vector<PodEntry> out;
  std::set<uint32_t> present;
  for (const config::Service& s : current.services)
    for (const config::Pod& p : s.pods) {
      const PodEntry* known = pod(p.slot);
      out.push_back({s.name, p, false, std::nullopt,
                     known == nullptr || known->left ? std::nullopt : known->lag});
      present.insert(p.slot);
    }
  for (const auto& [slot, entry] : known_) {
    if (present.contains(slot)) continue;
    const bool recent = entry.left && now - *entry.left < after_leaving;
    if (!recent && sum(slot).idle()) continue;
    out.push_back(entry);
    out.back().draining = true;
  }
  return out;
}

PodCounts Ledger::sum(uint32_t slot) const {
  PodCounts t;
  for (const stats::Worker* w : workers_) {
    const stats::Pod& p = w->pod(slot);
    t.streams += p.streams.get();
    t.active += p.active.get();
    t.failed += p.failed.get();
    t.retried += p.retried.get();
    t.connections += p.connections.get();
    t.connect_failures += p.connect_failures.get();
    t.relayed_in += p.relayed_in.get();
    t.relayed_out += p.relayed_out.get();
  }
  return t;
}

HistogramSum Ledger::latency(uint32_t slot) const {
  HistogramSum h;
  for (const stats::Worker* w : workers_) h.add(*w->pod(slot).latency);
  return h;
}

PodCounts Ledger::counts(uint32_t slot) const {
  PodCounts t = sum(slot);
  if (const auto it = base_.find(slot); it != base_.end()) {
    t.streams -= it->second.streams;
    t.failed -= it->second.failed;
    t.retried -= it->second.retried;
    t.connect_failures -= it->second.connect_failures;
    t.relayed_in -= it->second.relayed_in;
    t.relayed_out -= it->second.relayed_out;
  }
  return t;
}

PodTotals Ledger::totals(uint32_t slot) const {
  PodTotals t{counts(slot), {}};
  if (t.streams == 0) return t;  // most pods of many, and a histogram is long
  t.latency = latency(slot);
  if (const auto it = base_.find(slot); it != base_.end()) t.latency.subtract(it->second.latency);
  return t;
}

}  // namespace sluice::admin
