#pragma once
// The time from news of endpoints to the first moment that every worker may use them, pod by pod.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "stats/requests.h"

namespace sluice::control {

class DiscoveryLag {
 public:
  using Clock = std::chrono::steady_clock;
  using Wall = std::chrono::system_clock;
  // Between two looks while there is something to wait for: the precision of the measurement.
  static constexpr std::chrono::milliseconds kOften{1};

  // A source has brought new endpoints of the service, which are not published yet. read: when they
  // came from the network. triggers: when the cluster began to change, as Kubernetes' annotation
  // endpoints.kubernetes.io/last-change-trigger-time has it.
  void arrived(const std::string& service, Clock::time_point read,
               const std::vector<Wall::time_point>& triggers = {}) {
    News& n = news_.try_emplace(service, News{read, {}}).first->second;
    n.read = std::min(n.read, read);
    n.triggers.insert(n.triggers.end(), triggers.begin(), triggers.end());
  }
  // The service's news are in this generation: these pods (slots) came, and so many left.
  void published(const std::string& service, uint64_t generation, std::vector<uint32_t> came,
                 size_t left) {
    const auto found = news_.find(service);
    if (found == news_.end()) return;
    waiting_.push_back({generation, std::move(found->second), std::move(came), left});
    news_.erase(found);
  }
  // They are in none, since nothing has changed or they were refused.
  void dropped(const std::string& service) { news_.erase(service); }

  bool waiting() const { return !waiting_.empty(); }
  // adopted: the oldest generation that any worker uses. on_pod(slot, lag) for each pod that came.
  template <class OnPod>
  void look(uint64_t adopted, Clock::time_point now, Wall::time_point wall, OnPod&& on_pod) {
    for (; !waiting_.empty() && waiting_.front().generation <= adopted; waiting_.pop_front()) {
      const Publication& p = waiting_.front();
      const Duration lag = std::max<Duration>(now - p.news.read, Duration::zero());
      for (size_t i = 0; i < p.came.size() + p.left; ++i) times_.record(lag);
      for (const uint32_t slot : p.came) on_pod(slot, lag);
      for (const Wall::time_point t : p.news.triggers)
        since_triggers_.record(
            std::max(std::chrono::duration_cast<Duration>(wall - t), Duration::zero()));
    }
  }
  // Of each pod that came or left.
  const stats::Durations& times() const { return times_; }
  // From the triggers to the adoption.
  const stats::Durations& since_triggers() const { return since_triggers_; }

 private:
  struct News {
    Clock::time_point read;
    std::vector<Wall::time_point> triggers;
  };
  struct Publication {
    uint64_t generation;
    News news;
    std::vector<uint32_t> came;
    size_t left;
  };
  std::map<std::string, News> news_;  // by service
  std::deque<Publication> waiting_;
  stats::Durations times_;
  stats::Durations since_triggers_;
};

}  // namespace sluice::control
