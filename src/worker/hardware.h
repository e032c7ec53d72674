#pragma once
// What workers run on: DPDK, the packet pools and the ports, as the configuration's start-up part
// says.

#include <memory>
#include <vector>

#include "config/startup.h"
#include "nic/eal.h"
#include "nic/pools.h"
#include "nic/port.h"

namespace sluice::worker {

class Hardware {
 public:
  // Starts everything; the calling thread becomes the control thread. Throws nic::Error.
  explicit Hardware(const config::Startup& startup);

  nic::Eal& eal() { return eal_; }
  const nic::Pools& pools() const { return pools_; }
  // The queues of one worker, port by port.
  std::vector<nic::PortQueue*> queues(unsigned worker);

 private:
  nic::Eal eal_;
  std::vector<nic::Profile> profiles_;
  nic::Pools pools_;
  std::vector<std::unique_ptr<nic::Port>> ports_;
};

}  // namespace sluice::worker
