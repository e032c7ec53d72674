#pragma once
// The part of a service's pods that one worker connects to. With many workers, each of which has
// connections of its own, pods would have more connections than they bear.

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace sluice::balance {

// Every pod has the same number of workers, and workers have the same number of pods, give or take
// one. Workers agree on it without a word to each other. Pods count by their place in the list of
// endpoints, so a change of the list moves other pods to other workers, too.
class Subset {
 public:
  // So many pods a worker has at least, if there are so many, whatever the bound.
  static constexpr size_t kLeastPods = 2;

  // bound: workers that may connect to one pod; 0: all.
  Subset(size_t pods, uint32_t self, uint32_t workers, uint32_t bound)
      : self_(self), workers_(workers), per_pod_(per_pod(pods, workers, bound)) {}

  // Whether this worker connects to the pod at that place.
  bool has(size_t pod) const {
    const size_t first = pod % workers_ * per_pod_ % workers_;  // of the pod's workers, in a row
    return (self_ + workers_ - first) % workers_ < per_pod_;
  }
  bool whole() const { return per_pod_ == workers_; }
  // Workers of each pod.
  uint32_t workers_of_a_pod() const { return per_pod_; }

 private:
  static uint32_t per_pod(size_t pods, uint32_t workers, uint32_t bound) {
    if (bound == 0 || bound >= workers || pods == 0) return workers;
    const size_t least = (workers * std::min(pods, kLeastPods) + pods - 1) / pods;
    return std::min(workers, std::max(bound, static_cast<uint32_t>(least)));
  }

  uint32_t self_;
  uint32_t workers_;
  uint32_t per_pod_;
};

}  // namespace sluice::balance
