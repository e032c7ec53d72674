#pragma once
// A pod as one worker knows it.

#include <atomic>
#include <cstdint>
#include <string>

#include "base/address.h"
#include "pods/backoff.h"
#include "pods/connectivity.h"
#include "pods/other_loads.h"
#include "stats/worker.h"

namespace sluice::pods {

// A pod as a picker sees it. Owned by the relay's pool of connections to the pod.
class Pod {
 public:
  // others: the load that other workers put on the same pod. Both outlive the pod.
  Pod(uint32_t slot, std::string id, const Endpoint& address, uint32_t weight, stats::Worker& own,
      OtherLoads& others)
      : slot_(slot),
        weight_(weight),
        address_(address),
        id_(std::move(id)),
        others_(&others),
        loads_(&own.pod_loads()),
        stats_(&own.pod(slot)) {}

  uint32_t slot() const { return slot_; }
  const std::string& id() const { return id_; }
  const Endpoint& address() const { return address_; }
  uint32_t weight() const { return weight_; }
  void set_weight(uint32_t w) { weight_ = w; }
  Connectivity state() const { return state_; }
  void set_state(Connectivity s) {
    state_ = s;
    stats_->state.set(static_cast<uint64_t>(s));
  }
  // Why the last connect failed; the string lives as long as the process.
  void set_reason(const char* why) { stats_->reason.store(why, std::memory_order_relaxed); }

  // The pod left the endpoints: it gets no new streams, and the old ones end by themselves.
  bool draining() const { return draining_; }
  void set_draining(bool d) { draining_ = d; }

  stats::Pod& stats() { return *stats_; }
  const stats::Pod& stats() const { return *stats_; }
  Backoff& backoff() { return backoff_; }

  // A stream of this worker on the pod begins, or ends.
  void begin_stream() {
    ++stats_->streams;
    ++stats_->active;
    publish_load();
  }
  void end_stream() {
    --stats_->active;
    publish_load();
  }
  // The streams of all workers on this pod, so that N workers do not herd. The number of the others
  // is a little old.
  uint64_t in_flight() const { return stats_->active.get() + others_->of(slot_); }

 private:
  void publish_load() { loads_->set(slot_, static_cast<uint32_t>(stats_->active.get())); }

  uint32_t slot_;
  uint32_t weight_;
  Connectivity state_ = Connectivity::kIdle;
  bool draining_ = false;
  Endpoint address_;
  std::string id_;
  OtherLoads* others_;
  stats::PodLoads* loads_;
  stats::Pod* stats_;
  Backoff backoff_;
};

}  // namespace sluice::pods
