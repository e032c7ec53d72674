#pragma once
// A pod as one worker knows it.

#include <cstdint>
#include <span>
#include <string>

#include "base/address.h"
#include "pods/backoff.h"
#include "pods/connectivity.h"
#include "stats/worker.h"

namespace sluice::pods {

// A pod as a picker sees it. Owned by the relay's pool of connections to the pod.
class Pod {
 public:
  // `workers`: the counters of all workers, for load that other workers put on the same pod. This
  // worker's are at index `self`.
  Pod(uint32_t slot, std::string id, const Endpoint& address, uint32_t weight,
      std::span<stats::Worker* const> workers, size_t self)
      : slot_(slot),
        weight_(weight),
        address_(address),
        id_(std::move(id)),
        workers_(workers),
        stats_(&workers[self]->pod(slot)) {}

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

  // The pod left the endpoints: it gets no new streams, and the old ones end by themselves.
  bool draining() const { return draining_; }
  void set_draining(bool d) { draining_ = d; }

  stats::Pod& stats() { return *stats_; }
  const stats::Pod& stats() const { return *stats_; }
  Backoff& backoff() { return backoff_; }

  // The streams of all workers on this pod, so that N workers do not herd.
  uint64_t in_flight() const {
    uint64_t n = 0;
    for (const stats::Worker* w : workers_) n += w->pod(slot_).active.get();
    return n;
  }

 private:
  uint32_t slot_;
  uint32_t weight_;
  Connectivity state_ = Connectivity::kIdle;
  bool draining_ = false;
  Endpoint address_;
  std::string id_;
  std::span<stats::Worker* const> workers_;
  stats::Pod* stats_;
  Backoff backoff_;
};

}  // namespace sluice::pods
