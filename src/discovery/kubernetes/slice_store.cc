#include "discovery/kubernetes/slice_store.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/byte_order.h"

namespace sluice::discovery::kubernetes {
namespace {

// The ports of the endpoints that the reference means.
std::vector<uint16_t> ports_of(const EndpointSlice& slice, const ServicePort& wanted) {
  std::vector<uint16_t> out;
  const auto number = wanted.number();
  for (const SlicePort& p : slice.ports) {
    if (!p.tcp) continue;
    const bool all_ports = !p.number && number;
    const bool named = number ? p.number == number : p.name == wanted.port;
    const bool only = wanted.port.empty() && slice.ports.size() == 1;
    if (all_ports) {
      out.push_back(*number);
    } else if ((named || only) && p.number) {
      out.push_back(*p.number);
    }
  }
  return out;
}

// An endpoint at one of its ports. The address is kept as numbers as well: a service may have ten
// thousand endpoints, which are sorted with each change of one.
struct Placed {
  Placed(const SliceEndpoint& e, uint16_t p)
      : high(load_be64(e.address.bytes.data())),
        low(load_be64(e.address.bytes.data() + 8)),
        port(p),
        endpoint(&e) {}

  uint64_t high, low;
  uint16_t port;
  const SliceEndpoint* endpoint;
};

bool before(const Placed& a, const Placed& b) {
  if (a.high != b.high) return a.high < b.high;
  if (a.low != b.low) return a.low < b.low;
  if (a.port != b.port) return a.port < b.port;
  return a.endpoint->uid < b.endpoint->uid;
}

}  // namespace

void SliceStore::put(EndpointSlice slice) {
  const auto before = slices_.find(slice.key);
  const bool news =
      slice.trigger && (before == slices_.end() || before->second.trigger != slice.trigger);
  erase(slice.key);
  if (!slice.service.name.empty()) {
    Triggers& triggers = changed_[slice.service];
    if (news) triggers.push_back(*slice.trigger);
  }
  EndpointSlice& kept = slices_[slice.key];
  kept = std::move(slice);
  if (!kept.service.name.empty()) by_service_[kept.service][kept.key] = &kept;
}

void SliceStore::erase(const ObjectKey& key) {
  const auto found = slices_.find(key);
  if (found == slices_.end()) return;
  const ObjectKey& service = found->second.service;
  if (const auto of = by_service_.find(service); of != by_service_.end()) {
    changed_.try_emplace(service);
    of->second.erase(key);
    if (of->second.empty()) by_service_.erase(of);
  }
  slices_.erase(found);
}

void SliceStore::replace(const std::string& name_space, std::vector<EndpointSlice> slices,
                         const std::set<ObjectKey>& kept) {
  std::set<ObjectKey> present = kept;
  for (const EndpointSlice& s : slices) present.insert(s.key);
  std::vector<ObjectKey> gone;
  const bool any =
      std::any_of(kept.begin(), kept.end(), [](const ObjectKey& k) { return k.name.empty(); });
  for (const auto& [key, slice] : slices_)
    if (!any && (name_space.empty() || key.name_space == name_space) && !present.contains(key))
      gone.push_back(key);
  for (const ObjectKey& key : gone) erase(key);
  for (EndpointSlice& s : slices) put(std::move(s));
}

std::vector<const SliceEndpoint*> SliceStore::in_zone(std::vector<const SliceEndpoint*> all) const {
  if (zone_.empty()) return all;
  std::vector<const SliceEndpoint*> here;
  for (const SliceEndpoint* e : all) {
    // As kube-proxy does: one ready endpoint without a hint, and hints are not to be relied on.
    if (e->conditions.ready && e->hints.empty()) return all;
    if (std::find(e->hints.begin(), e->hints.end(), zone_) != e->hints.end()) here.push_back(e);
  }
  return here.empty() ? all : here;
}

std::string SliceStore::why_empty(const ServicePort& wanted) const {
  const auto found = by_service_.find(wanted.service);
  if (found == by_service_.end())
    return fmt::format("the API server has no EndpointSlice of {}", wanted.service.str());
  std::set<std::string> known;
  bool endpoints = false;
  for (const auto& [key, kept] : found->second) {
    const EndpointSlice& slice = *kept;
    if (!ports_of(slice, wanted).empty()) return {};
    endpoints = endpoints || !slice.endpoints.empty();
    for (const SlicePort& p : slice.ports)
      if (p.tcp && p.number) known.insert(fmt::format("\"{}\" ({})", p.name, *p.number));
  }
  if (!endpoints) return {};
  return fmt::format("{} has no TCP port \"{}\"; it has: {}", wanted.service.str(), wanted.port,
                     known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
}

EndpointSet SliceStore::endpoints(const ServicePort& wanted) const {
  EndpointSet out;
  const auto found = by_service_.find(wanted.service);
  if (found == by_service_.end()) return out;
  std::vector<const SliceEndpoint*> all;
  if (!zone_.empty())
    for (const auto& [key, slice] : found->second)
      for (const SliceEndpoint& e : slice->endpoints) all.push_back(&e);
  const auto chosen = in_zone(std::move(all));
  const std::set<const SliceEndpoint*> taken(chosen.begin(), chosen.end());
  std::vector<Placed> places;
  for (const auto& [key, slice] : found->second)
    for (const uint16_t port : ports_of(*slice, wanted))
      for (const SliceEndpoint& e : slice->endpoints)
        if (zone_.empty() || taken.contains(&e)) places.emplace_back(e, port);
  std::stable_sort(places.begin(), places.end(), before);
  out.reserve(places.size());
  for (const Placed& p : places)
    out.push_back({.address = {p.endpoint->address, p.port},
                   .id = p.endpoint->uid,
                   .conditions = p.endpoint->conditions,
                   .zone = p.endpoint->zone});
  return out;
}

}  // namespace sluice::discovery::kubernetes
