#pragma once
// The orders of control to the workers besides snapshots: to drain, to end, to announce addresses,
// to end the L4 flows of a pod.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "stats/worker.h"

namespace sluice::worker {

enum class Order : uint8_t {
  kRun,
  kDrain,  // let calls end, as the snapshot's timeouts say, then end
  kEnd,    // end at once
};

// Written by control, read by every worker once a turn. Orders to
// drain and to end only get stricter.
class Orders {
 public:
  Order get() const { return order_.load(std::memory_order_relaxed); }
  void give(Order order) {
    if (order > get()) order_.store(order, std::memory_order_relaxed);
  }

  // To end the flows of the pod in this slot.
  void flush(uint32_t pod) {
    pod_flushes_[pod].fetch_add(1, std::memory_order_relaxed);
    flushes_.fetch_add(1, std::memory_order_release);
  }
  // The orders to flush so far, of all pods and of one.
  uint32_t flushes() const { return flushes_.load(std::memory_order_acquire); }
  uint32_t flushes(uint32_t pod) const { return pod_flushes_[pod].load(std::memory_order_relaxed); }

  // To announce the port's addresses, as its link has come up.
  void announce(size_t port) {
    port_announcements_[port].fetch_add(1, std::memory_order_relaxed);
    announcements_.fetch_add(1, std::memory_order_release);
  }
  // The orders to announce so far, of all ports and of one. A worker compares them with the orders
  // that it has followed.
  uint32_t announcements() const { return announcements_.load(std::memory_order_acquire); }
  uint32_t announcements(size_t port) const {
    return port_announcements_[port].load(std::memory_order_relaxed);
  }

 private:
  std::atomic<uint32_t> announcements_{0};
  std::array<std::atomic<uint32_t>, stats::kMaxPorts> port_announcements_{};
  std::atomic<uint32_t> flushes_{0};
  std::array<std::atomic<uint32_t>, stats::kMaxPods> pod_flushes_{};
  std::atomic<Order> order_{Order::kRun};
};

}  // namespace sluice::worker
