#pragma once
// Notices a port that stops receiving. Nothing else would say so: calls just hang, and pods stay
// READY until TCP gives them up.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "config/snapshot.h"
#include "stats/worker.h"

namespace sluice::control {

class PortWatch {
 public:
  // What the hardware says of a port.
  struct Health {
    std::string deaf;           // why nothing can arrive; empty when no reason is known
    uint64_t rx_missed = 0;     // frames that found no descriptor, ever
    uint64_t rx_no_buffer = 0;  // frames that found no buffer, ever
  };
  // Of the port at this place in the configuration. May ask the kernel. An empty function knows
  // nothing.
  using Probe = std::function<Health(size_t port)>;

  explicit PortWatch(Probe probe) : probe_(std::move(probe)) {}

  struct Line {
    bool good = false;  // the port receives again
    std::string text;
  };
  // Looks at the counters of all workers, once a second, and writes what the hardware counts into
  // those of the first worker, which no worker writes. The lines for the log: one when a port
  // becomes deaf, one when it hears again.
  std::vector<Line> look(const config::Snapshot& current,
                         const std::vector<stats::Worker*>& workers);

 private:
  // A port is taken for deaf that received nothing in this many looks, while at least this many
  // frames were sent there. A neighbour that lives answers one of three: TCP and ARP ask again and
  // again.
  static constexpr uint32_t kLooks = 5;
  static constexpr uint64_t kFrames = 3;

  struct Port {
    uint64_t received = 0;
    uint64_t sent = 0;  // when it last received
    uint32_t silent = 0;
    bool deaf = false;
  };

  Probe probe_;
  std::vector<Port> ports_;
};

}  // namespace sluice::control
