#pragma once
// The ways from each worker of a process to each other one: packets that arrived at the wrong
// worker, and news about neighbours. Each way has one sender and one receiver.

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "base/spsc_ring.h"
#include "ip/neighbour_news.h"
#include "steer/packet.h"

namespace sluice::steer {

class Exchange {
 public:
  // Packets that wait on one way: as many as a receive ring has descriptors.
  static constexpr size_t kPackets = 1024;
  static constexpr size_t kNews = 256;

  struct Way {
    SpscRing<Packet> packets{kPackets};
    SpscRing<ip::NeighbourNews> news{kNews};
  };

  // Ends a worker's sleep, if the worker sleeps. For any thread.
  using Wake = std::function<void(unsigned worker)>;
  // wake: empty: no worker sleeps.
  explicit Exchange(unsigned workers, Wake wake = {});

  unsigned workers() const { return workers_; }
  // Of two different workers.
  Way& way(unsigned from, unsigned to) { return *ways_[from * workers_ + to]; }
  // The items that a worker has staged for another one become visible to that one.
  void publish(unsigned from, unsigned to);

  // A worker without clients of its own still receives packets of other workers' clients. So
  // workers that drain end together: each reports once that it has drained.
  void report_drained();
  bool all_drained() const { return drained_.load(std::memory_order_relaxed) == workers_; }

 private:
  const unsigned workers_;
  const Wake wake_;
  std::vector<std::unique_ptr<Way>> ways_;  // by sender and receiver
  std::atomic<unsigned> drained_{0};
};

}  // namespace sluice::steer
