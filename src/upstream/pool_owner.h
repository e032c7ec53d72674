#pragma once
// The owner of a pool, as the pool calls it.

#include "config/snapshot.h"
#include "transport/layer.h"
#include "upstream/connect_turns.h"

namespace sluice::upstream {

class Pool;

// Called from inside the pool's own functions, also from those that the owner calls. So the owner
// only makes a note, and looks at the pool later.
class PoolOwner {
 public:
  // Timeouts and PINGs of connections. After a change the owner calls Pool::arm_pings().
  virtual const config::Service& config() const = 0;
  // Makes the streams of new connections.
  virtual transport::Layer& layer() = 0;
  // In which the pods wait for their turn to be connected to.
  virtual ConnectTurns::Lines& connect_lines() = 0;

  // The connectivity state of the pool's pod has changed, and with it the pods to choose from.
  virtual void on_pod_state(Pool& pool) = 0;
  // Pool::doubtful() has changed.
  virtual void on_doubt() = 0;
  // A connection may take one more stream, or the pod may get one more connection.
  virtual void on_room() = 0;
  // A connection may take one more stream of a call that waits for a connection of its own.
  virtual void on_isolated_room() = 0;
  // Bytes came from the pod, and a call waits for a flow-control window.
  virtual void on_window() = 0;
  // Calls that wait for a place.
  virtual uint32_t calls_waiting() const = 0;
  // Calls wait for a reason of their own client.
  virtual bool holds_calls() const = 0;

 protected:
  ~PoolOwner() = default;
};

}  // namespace sluice::upstream
