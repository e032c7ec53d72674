#pragma once
// A service on one worker: its pods, its balancing policy, and the calls that wait for a pod.

#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "balance/picker.h"
#include "balance/subset.h"
#include "base/list.h"
#include "base/timer_wheel.h"
#include "config/snapshot.h"
#include "pods/pod.h"
#include "relay/call.h"
#include "relay/place_shares.h"
#include "relay/process.h"
#include "relay/retry_budget.h"
#include "relay/wait_queue.h"
#include "tls/layer.h"
#include "upstream/hold.h"
#include "upstream/pool.h"
#include "upstream/pool_owner.h"

namespace sluice::relay {

class Service final : public upstream::PoolOwner {
 public:
  Service(Context& context, const config::Service& config);
  ~Service();
  Service(const Service&) = delete;

  // Adopts a new snapshot: pods may come, leave and come back. A service that has left is back.
  void adopt(const config::Service& config);
  // Adopts a snapshot in which only the service's pods differ from the one before, by these edits.
  void adopt_pods(const config::Service& config, std::span<const config::PodEdit> edits);
  // As well in parts: begin_parts() and then each part of the change, in order. May be used if
  // takes_parts().
  bool takes_parts(const config::Service& config) const;
  void begin_parts(const config::Service& config);
  // The pods of the configuration from `first` on come, at that place of the list.
  void pods_come(uint32_t first, uint32_t count, size_t place);
  void pods_leave(uint32_t count, size_t place);
  // The service left the configuration: every pod drains.
  void retire();
  // Nothing refers to the service any more.
  bool idle() const { return calls_ == 0; }
  bool has_connections();
  // Some pod is READY.
  bool reachable() const { return !ready_.empty(); }
  // Pods that this worker connects to, draining ones included.
  size_t pods() const { return pools_.size(); }

  const config::Service& config() const override { return config_; }
  transport::Layer& layer() override {
    if (config::is_secure(config_.protocol)) return tls_;
    return context_.plain;
  }
  // nullptr when the service has no retry policy: only calls that provably no pod has begun are
  // tried again.
  const config::Retry* retry() const { return retry_; }
  RetryBudget& retry_budget() { return retry_budget_; }
  stats::Service& stats() { return context_.stats.service(config_.slot); }
  uint32_t slot() const { return config_.slot; }

  // Calls.
  void begin(Call& call);
  // Sends the call to a pod, lets it wait, or fails it. again: the call was with a pod before.
  void assign(Call& call, bool again);
  // A READY pod has not refused the call yet.
  bool has_untried(const Call& call) const;
  // All READY pods refused a call: each opens another connection where it may.
  void grow_after_refusal();
  // The call no longer waits.
  void stop_waiting(Call& call);
  void on_queue_timeout(Call& call);
  void on_end_of_call() { --calls_; }
  // The call is with a pod.
  void on_place_taken(const Call& call) {
    if (sharing_) [[unlikely]]
      shares_.took(call.client_address(), call.client_id(), context_.now);
  }
  // A call waits for the time of its next attempt, or no longer does.
  void begin_pause() { ++between_attempts_; }
  void end_pause() { --between_attempts_; }
  // The call has left its pod.
  void on_place_left(const Call& call) {
    if (sharing_) [[unlikely]]
      shares_.left(call.client_address(), call.client_id());
    on_room();
  }

  // From the pools.
  void on_pod_state(upstream::Pool& pool) override;
  void on_doubt() override { ready_due_ = pump_due_ = true; }
  void on_room() override;
  void on_isolated_room() override { held_due_ = !held_.empty(); }
  // Bytes came from a pod, and calls wait for a flow-control window on its connections.
  void on_window() override {
    if (context_.now >= window_look_at_) held_due_ = !held_.empty();
  }
  upstream::ConnectTurns::Lines& connect_lines() override { return connect_lines_; }
  // The service has left the configuration. Its calls that wait keep their time for it.
  void leave() {
    if (!left_at_) left_at_ = context_.now;
  }
  bool wanted_by_calls() const {
    if (between_attempts_ > 0) return true;
    return (!waiting_.empty() || !held_.empty()) &&
           context_.now - *left_at_ < config_.queue_timeout;
  }
  uint32_t calls_waiting() const override { return waiting_.size(); }
  bool holds_calls() const override { return !held_.empty(); }
  // Lets waiting calls go on. Called once a turn.
  void pump();

 private:
  // Between two looks at the calls in held_: budgets grow back with time.
  static constexpr Duration kHeldLook = 10ms;
  static constexpr size_t kPicks = 3;         // choices of the policy that one call is offered
  static constexpr uint32_t kHeldTries = 64;  // failures in one look
  // A call may wait so long for a place while its client has less than its share. Then it gets the
  // place of a client that has more. Most calls end sooner by themselves, and free a place.
  static constexpr Duration kSharePatience = 200ms;
  static constexpr Duration kShareLook = 100ms;
  // For so long after a place had to be taken away, shares are counted, and the last places
  // (PlaceShares) are for clients that have less than their share. The time is long, since the work
  // on a call that is ended is lost.
  static constexpr Duration kSharing = 60s;
  // With more pods than this, ready_ is changed in place, and is in no order.
  static constexpr size_t kFewPods = 64;
  static constexpr Duration kWindowLook = 1ms;  // between looks because bytes came from a pod

  // nullptr when there is only this worker.
  SharedLimit* shared(SharedLimit& limit) {
    return context_.process.workers() > 1 ? &limit : nullptr;
  }
  // hold: set when pods have room and this client's call has to wait all the same.
  upstream::PodConnection* pick(const Call& call, upstream::Hold& hold);
  upstream::PodConnection* pick_for_suspect(const Call& call, upstream::Hold& hold);
  static upstream::PodConnection* room_at(upstream::Pool& pool, const Call& call,
                                          upstream::Hold& hold);
  void wait(Call& call, bool again, upstream::Hold hold);
  // Takes a place in the queue for the call, if need be from a client that has more. False: the
  // call has failed.
  bool make_room(WaitQueue& queue, Call& call, upstream::Hold hold);
  void pump_held();
  // service_shares.cc
  void look_at_shares();
  void give_up_places(uint32_t n);
  // No pod takes calls, and none may come: a call has nothing to wait for. why_hopeless() is the
  // reason for the client.
  bool hopeless() const;
  const char* why_hopeless() const;
  // Connects to the pods of this worker's subset, and drains others.
  void use_pods();
  upstream::Pool& insert(const config::Pod& pod, size_t place);
  void add_draining(std::unique_ptr<upstream::Pool> pool);
  // Takes one out of pools_: that place behind the first live_ ones.
  std::unique_ptr<upstream::Pool> take_draining(size_t i);
  // The pools from that place on, which are the list's no more.
  void take_out(size_t place, uint32_t count, std::vector<std::unique_ptr<upstream::Pool>>& left);
  // Pools have come into the list, and others are out of it.
  void settle(const std::vector<upstream::Pool*>& come,
              std::vector<std::unique_ptr<upstream::Pool>> left);
  // Takes all pods while none of the subset can be reached, and returns to the subset later.
  void widen_or_narrow();
  bool none_reachable() const;
  void rebuild_ready();
  // As rebuild_ready() when nothing but the state of this pool's pod has changed.
  void change_ready(upstream::Pool& pool);
  void tell();
  void forget_gone();

  Context& context_;
  config::Service config_;
  tls::Layer tls_;
  const config::Retry* retry_ = nullptr;  // config_.retry
  ServiceLimits& limits_;                 // of all workers together
  RetryBudget retry_budget_;
  std::unique_ptr<balance::Picker> picker_;
  balance::Subset subset_;
  bool widened_ = false;     // pods outside the subset are in use
  bool subset_due_ = false;  // the states of pods have changed
  upstream::ConnectTurns::Lines connect_lines_;
  std::vector<std::unique_ptr<upstream::Pool>> pools_;  // in the order of the endpoints, and then
  size_t live_ = 0;                                     // (after so many) those that drain
  // By slot, the places of those that drain, counted from live_ on.
  std::unordered_map<uint32_t, size_t> draining_;
  std::vector<upstream::Pool*> ready_;  // READY ones; ready_pods_ holds their pods
  std::vector<pods::Pod*> ready_pods_;
  std::vector<upstream::Pool*> doubtful_;  // READY too; used when no other pod takes the call
  bool all_doubtful_ = false;              // ready_ has pods in doubt, for want of others
  bool told_down_ = false;                 // the log says already that no pod is reachable
  bool ready_due_ = false;                 // ready_ has to be built again
  WaitQueue waiting_;
  // Calls that wait for a reason of their own client, and must not delay others.
  WaitQueue held_;
  bool held_due_ = false;
  Time window_look_at_{};
  Timer held_timer_;
  std::optional<Time> left_at_;
  PlaceShares shares_;  // while calls wait for places, and for kSharing after that
  bool sharing_ = false;
  Time sharing_until_{};
  Timer share_timer_;
  uint64_t calls_ = 0;
  uint64_t between_attempts_ = 0;
  bool pump_due_ = false;
};

}  // namespace sluice::relay
