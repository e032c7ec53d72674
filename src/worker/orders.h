#pragma once
// The orders of control to the workers besides snapshots: to drain, to end.

#include <atomic>
#include <cstdint>

namespace sluice::worker {

enum class Order : uint8_t {
  kRun,
  kDrain,  // let calls end, as the snapshot's timeouts say, then end
  kEnd,    // end at once
};

// Written by control, read by every worker once a turn. Orders only get stricter.
class Orders {
 public:
  Order get() const { return order_.load(std::memory_order_relaxed); }
  void give(Order order) {
    if (order > get()) order_.store(order, std::memory_order_relaxed);
  }

 private:
  std::atomic<Order> order_{Order::kRun};
};

}  // namespace sluice::worker
