#pragma once
// The place where workers find the current snapshot.

#include <atomic>
#include <cstdint>

#include "config/snapshot.h"

namespace sluice::config {

// Written by control, read by every worker at the top of its loop. Control owns the snapshots. It
// frees one only after every worker's stats::Worker::generation has passed it: a worker stores the
// generation that it adopted after its last look at the snapshot before.
class Published {
 public:
  const Snapshot* get() const { return current_.load(std::memory_order_acquire); }
  void set(const Snapshot* s) { current_.store(s, std::memory_order_release); }

 private:
  std::atomic<const Snapshot*> current_{nullptr};
};

}  // namespace sluice::config
