#include "control/pod_changes.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <unordered_set>

#include "base/hash.h"
#include "stats/worker.h"

namespace sluice::control {
namespace {

bool same_pod(const config::Pod& a, const config::Pod& b) {
  return a.endpoint == b.endpoint && a.id == b.id;
}

bool same_list(const config::SharedList<config::Pod>& a, const std::vector<config::Pod>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const config::Pod& x, const config::Pod& y) {
                      return same_pod(x, y) && x.weight == y.weight;
                    });
}

size_t hash_of_pod(const config::Pod* p) {
  return mix64(hash_of(p->endpoint.address) ^ p->endpoint.port ^ std::hash<std::string>()(p->id));
}

bool in_order(const config::Pod& a, const config::Pod& b) {
  return std::tie(a.endpoint, a.id) < std::tie(b.endpoint, b.id);
}

// Finds pods in a list. Sources of APIs have them in order, so that no table has to be made of ten
// thousand pods because one has come.
class Places {
 public:
  explicit Places(const config::SharedList<config::Pod>& pods)
      : pods_(pods),
        sorted_(std::is_sorted(pods.begin(), pods.end(), in_order)),
        known_(0, hash_of_pod, same) {
    if (sorted_) return;
    for (const config::Pod& p : pods) known_.insert(&p);
  }
  // nullptr: the list has no such pod.
  const config::Pod* find(const config::Pod& pod) const {
    if (!sorted_) {
      const auto found = known_.find(&pod);
      return found == known_.end() ? nullptr : *found;
    }
    const auto at = std::lower_bound(pods_.begin(), pods_.end(), pod, in_order);
    return at == pods_.end() || !same_pod(*at, pod) ? nullptr : &*at;
  }

 private:
  static bool same(const config::Pod* a, const config::Pod* b) { return same_pod(*a, *b); }

  const config::SharedList<config::Pod>& pods_;
  const bool sorted_;
  std::unordered_set<const config::Pod*, size_t (*)(const config::Pod*),
                     bool (*)(const config::Pod*, const config::Pod*)>
      known_;
};

// Most lists of pods are in the order of those before, so the next pod is mostly the next one.
void keep_slots(const config::SharedList<config::Pod>& before, std::vector<config::Pod>& next) {
  std::optional<Places> places;
  size_t at = 0;
  for (config::Pod& p : next) {
    p.slot = kNoSlot;
    if (at < before.size() && same_pod(before[at], p)) {
      p.slot = before[at++].slot;
      continue;
    }
    if (before.empty()) continue;
    if (!places) places.emplace(before);
    if (const config::Pod* known = places->find(p)) {
      p.slot = known->slot;
      at = static_cast<size_t>(known - &before.front()) + 1;
    }
  }
}

}  // namespace

bool use_endpoints(config::Service& service, const discovery::EndpointSet& endpoints,
                   const discovery::Reachability& reach) {
  const auto out_of_reach = [&](const discovery::Endpoint& e) {
    return !reach.reaches(e.address.address);
  };
  std::vector<config::Pod> pods, unreachable;
  if (std::any_of(endpoints.begin(), endpoints.end(), out_of_reach)) {
    discovery::EndpointSet reachable;
    for (const discovery::Endpoint& e : endpoints) {
      if (!out_of_reach(e)) {
        reachable.push_back(e);
      } else {
        unreachable.push_back({.endpoint = e.address, .id = e.id, .weight = e.weight});
      }
    }
    pods = discovery::pods_of(reachable);
  } else {
    pods = discovery::pods_of(endpoints);
  }
  bool changed = false;
  if (!same_list(service.unreachable, unreachable)) {
    service.unreachable = std::move(unreachable);
    changed = true;
  }
  if (!same_list(service.pods, pods)) {
    keep_slots(service.pods, pods);
    service.pods = std::move(pods);
    changed = true;
  }
  return changed;
}

std::vector<bool> slots_of(const config::SharedList<config::Pod>& pods) {
  std::vector<bool> out(stats::kMaxPods);
  for (const config::Pod& p : pods)
    if (p.slot != kNoSlot) out[p.slot] = true;
  return out;
}

std::optional<std::vector<config::PodEdit>> edits_between(
    const config::SharedList<config::Pod>& before, const config::SharedList<config::Pod>& next) {
  std::vector<config::PodEdit> edits;
  if (before.shares_with(next)) return edits;
  const std::vector<bool> stay = slots_of(next);
  size_t i = 0, j = 0;
  while (i < before.size() || j < next.size()) {
    if (i < before.size() && j < next.size() && before[i].slot == next[j].slot) {
      if (before[i].weight != next[j].weight) return std::nullopt;
      ++i;
      ++j;
      continue;
    }
    config::PodEdit e{.at = static_cast<uint32_t>(j)};
    for (; i < before.size() && !stay[before[i].slot]; ++i) ++e.removed;
    for (; j < next.size() && next[j].slot == kNoSlot; ++j) ++e.added;
    if (e.removed == 0 && e.added == 0) return std::nullopt;
    edits.push_back(e);
  }
  return edits;
}

}  // namespace sluice::control
