#pragma once
// What a pool tells its owner, and asks it.

#include "config/snapshot.h"

namespace sluice::upstream {

// Called from inside the pool's own functions, the owner's calls of them included: so the owner
// makes a note, and looks at the pool later.
class PoolOwner {
 public:
  // Timeouts and PINGs of connections; may change when the owner says so by Pool::arm_pings().
  virtual const config::Service& config() const = 0;

  // The pod's connectivity state has changed: what pods there are to choose from.
  virtual void on_pod_state() = 0;
  // Pool::doubtful() has changed.
  virtual void on_doubt() = 0;
  // A connection may take one more stream,
  virtual void on_room() = 0;
  // or one more of a call that waits for a connection of its own.
  virtual void on_isolated_room() = 0;
  // The pod has said something, and a call was held back for want of a window.
  virtual void on_window() = 0;
  // Calls wait for their own clients' sake.
  virtual bool holds_calls() const = 0;

 protected:
  ~PoolOwner() = default;
};

}  // namespace sluice::upstream
