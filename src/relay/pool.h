#pragma once
// All connections of one worker to one pod, and the pod's connectivity state that follows from
// them.

#include "base/list.h"
#include "base/timer_wheel.h"
#include "config/snapshot.h"
#include "pods/pod.h"
#include "relay/context.h"
#include "relay/pod_connection.h"

namespace sluice::relay {

class Service;

class Pool {
 public:
  static constexpr uint32_t kMaxConnections = 64;  // to one pod; a pod that needs more is wrong

  Pool(Context& context, Service& service, const config::Pod& pod);
  ~Pool();
  Pool(const Pool&) = delete;

  pods::Pod& pod() { return pod_; }
  Duration connect_timeout() const;

  // The connection with the fewest streams that takes one more; nullptr when there is none. Opens
  // another one when the best is busy.
  PodConnection* with_room();
  // Connects unless a connection is there, on its way, or backing off.
  void connect_if_needed();
  // One more connection for streams that find no room.
  void grow();

  // The pod left the endpoints, or came back.
  void set_draining(bool draining);
  bool empty() { return connections_.empty(); }

  // From the connections.
  void on_ready();
  void on_room();
  void on_retired();
  void on_gone(bool was_connecting);

 private:
  bool open_connection();
  void update_state();

  Context& context_;
  Service& service_;
  pods::Pod pod_;
  List<PodConnection, PodConnection> connections_;
  uint32_t count_ = 0;
  Time attempt_at_{};  // when the last connect began
  Timer backoff_timer_;
};

}  // namespace sluice::relay
