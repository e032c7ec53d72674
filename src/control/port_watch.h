#pragma once
// Notices a port that stops receiving. Nothing else reports it: calls just hang, and pods stay
// READY until TCP gives up their connections.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "config/snapshot.h"
#include "stats/worker.h"

namespace sluice::control {

class PortWatch {
 public:
  // The state of a port in its hardware.
  struct Health {
    std::string deaf;           // why nothing can arrive; empty when no reason is known
    std::string hash_fault;     // how the device's hash of a flow differs from software's
    uint64_t rx_missed = 0;     // frames that found no descriptor, ever
    uint64_t rx_no_buffer = 0;  // frames that found no buffer, ever
  };
  // The state of the port with this index in the configuration. May ask the kernel. An empty
  // function knows nothing.
  using Probe = std::function<Health(size_t port)>;

  explicit PortWatch(Probe probe) : probe_(std::move(probe)) {}

  struct Line {
    bool good = false;  // the port receives again
    std::string text;
  };
  // Call it once a second. Looks at the counters of all workers, and writes the hardware's counts,
  // which no worker writes, into the first worker's. Returns the lines for the log: one when a port
  // stops receiving, one when it receives again, and one when its device hashes flows in a way of
  // its own.
  std::vector<Line> look(const config::Snapshot& current,
                         const std::vector<stats::Worker*>& workers);

 private:
  // A port counts as not receiving when nothing arrived in this many looks, while at least this
  // many frames were sent. A living neighbour answers one frame of three: TCP and ARP ask again and
  // again.
  static constexpr uint32_t kLooks = 5;
  static constexpr uint64_t kFrames = 3;

  struct Port {
    uint64_t received = 0;
    uint64_t sent = 0;  // frames sent when the port last received
    uint32_t silent = 0;
    bool deaf = false;
    bool hash_fault = false;  // told already
  };

  Probe probe_;
  std::vector<Port> ports_;
};

}  // namespace sluice::control
