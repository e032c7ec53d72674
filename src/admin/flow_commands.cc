#include "admin/flow_commands.h"

#include <algorithm>
#include <string>
#include <vector>

#include <boost/json/array.hpp>

#include <fmt/format.h>

namespace sluice::admin {
namespace json = boost::json;

namespace {

json::object error(const std::string& text) {
  return {{"error", text}};
}

std::string text_of(const json::object& request, std::string_view key) {
  const json::value* v = request.if_contains(key);
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string();
}

uint64_t number_of(const json::object& request, std::string_view key) {
  const json::value* v = request.if_contains(key);
  json::error_code wrong;
  return v == nullptr ? 0 : v->to_number<uint64_t>(wrong);
}

// The slots of the pods with this address or id, those that drain included.
std::vector<uint32_t> slots_of(const std::string& pod, const config::Snapshot& current,
                               const Ledger& ledger) {
  std::vector<uint32_t> slots;
  for (const PodEntry& e : ledger.pods(current))
    if (e.pod.endpoint.str() == pod || e.pod.id == pod) slots.push_back(e.pod.slot);
  return slots;
}

// A listener of now forwards packets to some of the pods. Others may have flows of listeners that
// have left.
bool get_packets(const std::vector<uint32_t>& slots, const config::Snapshot& current) {
  for (uint32_t i = 0; i < current.services.size(); ++i) {
    const auto& pods = current.services[i].pods;
    const bool has = std::any_of(pods.begin(), pods.end(), [&](const config::Pod& p) {
      return std::find(slots.begin(), slots.end(), p.slot) != slots.end();
    });
    if (has && std::any_of(current.listeners.begin(), current.listeners.end(),
                           [&](const auto& l) { return l.forwards_packets() && l.leads_to(i); }))
      return true;
  }
  return false;
}

std::string listener_of(uint32_t slot, const config::Snapshot& current) {
  for (const config::Listener& l : current.listeners)
    if (l.slot == slot) return l.name;
  return {};  // it has left the configuration
}

json::object row_of(const stats::FlowRow& f, const config::Snapshot& current,
                    const Ledger& ledger) {
  json::object row;
  row["protocol"] = f.protocol == 17 ? "udp" : "tcp";
  row["mode"] = f.mode;
  row["state"] = f.state;
  row["client"] = f.client.str();
  row["vip"] = f.vip.str();
  row["source"] = f.source == Endpoint{} ? std::string() : f.source.str();
  row["pod"] = f.pod.str();
  const PodEntry* pod = ledger.pod(f.pod_slot);
  row["pod_id"] = pod == nullptr ? std::string() : pod->pod.id;
  row["listener"] = listener_of(f.listener, current);
  row["silent_ms"] = f.silent_ms;
  return row;
}

}  // namespace

json::object list_flows(const json::object& request, const config::Snapshot& current,
                        const Ledger& ledger, std::span<stats::FlowPage* const> pages) {
  uint64_t worker = number_of(request, "worker");
  if (worker >= pages.size())
    return error(fmt::format("there is no worker {}; the first is 0, the last {}", worker,
                             static_cast<int64_t>(pages.size()) - 1));
  stats::FlowPage::Question question{.from = number_of(request, "from")};
  if (const std::string name = text_of(request, "listener"); !name.empty()) {
    const auto& all = current.listeners;
    const auto l =
        std::find_if(all.begin(), all.end(), [&](const auto& x) { return x.name == name; });
    if (l == all.end()) return error("there is no listener " + name);
    if (l->relays_bytes())
      return error("the listener " + name +
                   " has no flows: it relays bytes; sluicectl listeners has its connections");
    if (!l->forwards_packets())
      return error("the listener " + name + " has no flows: its protocol is neither tcp nor udp");
    question.listener = l->slot;
  }
  std::vector<uint32_t> pods;
  if (const std::string name = text_of(request, "pod"); !name.empty()) {
    pods = slots_of(name, current, ledger);
    if (pods.empty()) return error("there is no pod " + name);
    if (pods.size() == 1) question.pod = pods.front();
  }
  stats::FlowPage::Answer page;
  const bool pending = !pages[worker]->take(question, page);
  json::array rows;
  for (const stats::FlowRow& f : page.rows)
    if (pods.size() < 2 || std::find(pods.begin(), pods.end(), f.pod_slot) != pods.end())
      rows.push_back(row_of(f, current, ledger));
  uint64_t next = pending ? question.from : page.next;
  const bool end = next == stats::FlowPage::kEnd;
  if (end) {
    next = 0;
    ++worker;
  }
  return {{"flows", std::move(rows)}, {"forwarding", pods.empty() || get_packets(pods, current)},
          {"pending", pending},       {"last", end && worker == pages.size()},
          {"worker", worker},         {"from", next}};
}

json::object flush_pod(const json::object& request, const config::Snapshot& current,
                       const Ledger& ledger, const std::function<void(uint32_t)>& flush) {
  const std::string name = text_of(request, "pod");
  const std::vector<uint32_t> slots = slots_of(name, current, ledger);
  if (slots.empty()) return error("there is no pod \"" + name + "\"");
  for (const uint32_t slot : slots) flush(slot);
  return {{"flushed", slots.size()}, {"forwarding", get_packets(slots, current)}};
}

}  // namespace sluice::admin
