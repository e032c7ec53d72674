#pragma once
// A service on one worker, as relayed connections see it: its pods, and the choice among them.

#include <memory>
#include <span>
#include <vector>

#include "balance/picker.h"
#include "config/snapshot.h"
#include "splice/backend.h"

namespace sluice::splice {

class Service {
 public:
  // alone: only relayed connections use the service's pods.
  Service(Context& context, const config::Service& config, bool alone);
  Service(const Service&) = delete;

  // Pods may come, leave and come back. A pod that left keeps its connections, and gets no others.
  void adopt(const config::Service& config, bool alone);
  void retire();
  // No connection is left.
  bool idle() const { return backends_.empty(); }

  // The pod for a connection, by the balancing policy. Pods that failed lately come last. nullptr
  // when there is no pod that has not been tried yet. tried: slots.
  Backend* pick(std::span<const uint32_t> tried);
  // The connection to the pod has gone.
  void give_back(Backend& backend);
  // A connect to the pod failed.
  void on_connect_failed(Backend& backend, const char* why);

  const config::Service& config() const { return config_; }
  uint32_t slot() const { return config_.slot; }
  bool has_pods() const { return !config_.pods.empty(); }

 private:
  void rebuild();
  void forget_gone();

  Context& context_;
  config::Service config_;
  std::unique_ptr<balance::Picker> picker_;
  std::vector<std::unique_ptr<Backend>> backends_;  // in the order of the endpoints, then departed
  std::vector<Backend*> usable_;                    // that did not fail lately
  std::vector<pods::Pod*> usable_pods_;             // theirs
  Time rebuild_at_ = kNever;                        // the end of the next backoff
};

}  // namespace sluice::splice
