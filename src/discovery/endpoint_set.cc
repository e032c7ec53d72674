#include "discovery/endpoint_set.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

namespace sluice::discovery {
namespace {

template <class Takes>
std::vector<config::Pod> pods_that(const EndpointSet& set, Takes takes) {
  std::vector<config::Pod> pods;
  pods.reserve(set.size());
  // Equal ones stand side by side in a set that is in order, as sets of APIs are.
  const bool sorted =
      std::is_sorted(set.begin(), set.end(), [](const Endpoint& a, const Endpoint& b) {
        return std::tie(a.address, a.id) < std::tie(b.address, b.id);
      });
  std::set<std::pair<sluice::Endpoint, std::string>> seen;
  for (const Endpoint& e : set) {
    if (!takes(e.conditions)) continue;
    if (sorted) {
      if (!pods.empty() && pods.back().endpoint == e.address && pods.back().id == e.id) continue;
    } else if (!seen.insert({e.address, e.id}).second) {
      continue;
    }
    pods.push_back({.endpoint = e.address, .id = e.id, .weight = e.weight});
  }
  return pods;
}

}  // namespace

std::vector<config::Pod> pods_of(const EndpointSet& set) {
  auto pods = pods_that(set, [](const Conditions& c) { return c.ready && !c.terminating; });
  if (!pods.empty()) return pods;
  return pods_that(set,
                   [](const Conditions& c) { return (c.ready || c.serving) && c.terminating; });
}

}  // namespace sluice::discovery
