#pragma once
// A pod with the connections that are relayed to it.

#include "base/chrono.h"
#include "config/snapshot.h"
#include "pods/pod.h"
#include "splice/context.h"

namespace sluice::splice {

class Backend {
 public:
  Backend(Context& context, const config::Pod& pod)
      : context_(context),
        pod_(pod.slot, pod.id, pod.endpoint, pod.weight, context.stats, context.other_loads) {}

  pods::Pod& pod() { return pod_; }
  // A connection to the pod begins, or has gone.
  void begin() {
    ++uses_;
    pod_.begin_stream();
    ++pod_.stats().connects;
    ++pod_.stats().connections;
  }
  void end() {
    --uses_;
    pod_.end_stream();
    --pod_.stats().connections;
  }
  bool unused() const { return uses_ == 0; }

  // The pod took a connection.
  void on_connected() {
    pod_.backoff().reset();
    retry_at_ = Time{};
    show(pods::Connectivity::kReady, "");
  }
  // A connect failed: for the time of the backoff, other pods come first. The string lives as long
  // as the process.
  void on_connect_failed(const char* why) {
    ++pod_.stats().connect_failures;
    if (context_.now < retry_at_) return;  // others began before, and failed with this one
    retry_at_ = context_.now + pod_.backoff().next(context_.random);
    show(pods::Connectivity::kTransientFailure, why);
  }
  // Until then other pods come first.
  Time retry_at() const { return retry_at_; }

  // Nobody else connects to the pod, and tells its state.
  void set_shows_state(bool shows) { shows_state_ = shows; }

 private:
  void show(pods::Connectivity state, const char* why) {
    if (!shows_state_ || pod_.state() == state) return;
    pod_.set_state(state);
    pod_.set_reason(why);
  }

  Context& context_;
  pods::Pod pod_;
  Time retry_at_{};
  uint32_t uses_ = 0;
  bool shows_state_ = true;
};

}  // namespace sluice::splice
