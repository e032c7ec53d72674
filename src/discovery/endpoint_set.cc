#include "discovery/endpoint_set.h"

#include <set>
#include <utility>

namespace sluice::discovery {
namespace {

template <class Takes>
std::vector<config::Pod> pods_that(const EndpointSet& set, Takes takes) {
  std::vector<config::Pod> pods;
  std::set<std::pair<sluice::Endpoint, std::string>> seen;
  for (const Endpoint& e : set)
    if (takes(e.conditions) && seen.insert({e.address, e.id}).second)
      pods.push_back({.endpoint = e.address, .id = e.id, .weight = e.weight});
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
