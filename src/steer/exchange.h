#pragma once
// The ways from each worker of a process to each other one: packets that arrived at the wrong
// worker, and news about neighbours. Each way has one sender and one receiver.

#include <atomic>
#include <cstddef>
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

  explicit Exchange(unsigned workers);

  unsigned workers() const { return workers_; }
  // Of two different workers.
  Way& way(unsigned from, unsigned to) { return *ways_[from * workers_ + to]; }

  // A worker without clients of its own still receives packets of other workers' clients. So
  // workers that drain end together: each reports once that it has drained.
  void report_drained() { drained_.fetch_add(1, std::memory_order_relaxed); }
  bool all_drained() const { return drained_.load(std::memory_order_relaxed) == workers_; }

 private:
  const unsigned workers_;
  std::vector<std::unique_ptr<Way>> ways_;  // by sender and receiver
  std::atomic<unsigned> drained_{0};
};

}  // namespace sluice::steer
