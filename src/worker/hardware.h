#pragma once
// The hardware of the workers: DPDK, the packet pools and the ports, as the start-up part of the
// configuration says.

#include <memory>
#include <string>
#include <vector>

#include "config/startup.h"
#include "nic/eal.h"
#include "nic/network_port.h"
#include "nic/numa.h"
#include "nic/pools.h"
#include "nic/vlan.h"
#include "stats/nic_port.h"
#include "steer/owner.h"

namespace sluice::worker {

// The permissions that the process lacks to start this hardware (nic/privileges.h).
std::vector<std::string> missing_privileges(const config::Startup& startup);

class Hardware {
 public:
  // Starts everything; the calling thread becomes the control thread. Throws nic::Error.
  explicit Hardware(const config::Startup& startup);

  nic::Eal& eal() { return eal_; }
  const nic::Pools& pools() const { return pools_; }
  // The queues of one worker, port by port.
  std::vector<nic::PortQueue*> queues(unsigned worker);
  // What decides the worker of a frame, port by port.
  std::vector<steer::OwnerPort> owner_ports(const config::Startup& startup) const;
  // Has the ports that can learn it lead frames to the owners of their flows. Once, before the
  // workers start. One sentence for each port that the kernel does not allow it.
  std::vector<std::string> steer(const config::Startup& startup, const steer::Owner& owner);
  // The reason why nothing can arrive at the port, for the operator; empty when no reason is known.
  // Asks the kernel: for the control thread, not for workers.
  std::string deaf(size_t port) const;
  // Counted at the first of the ports that share devices.
  nic::NetworkPort::DeviceCounters device_counters(size_t port) const;
  // The state of a port as its devices tell it, and the state of its link alone. They ask the
  // kernel and the driver: for the control thread.
  stats::NicPort state(size_t port) const { return ports_[port]->state(); }
  stats::NicLink link(size_t port) { return ports_[port]->link(); }
  // The difference between the hashes of the port's devices and software's; empty: none so far.
  std::string hash_fault(size_t port) const { return ports_[port]->hash_fault(); }
  // One sentence for each claim of the port's profile that the port does without.
  const std::vector<std::string>& notes(size_t port) const { return ports_[port]->notes(); }
  // One sentence for each worker and port on different NUMA nodes.
  std::vector<std::string> far_ports(const config::Startup& startup) const;

 private:
  void make_queues(const config::Startup& startup);

  nic::Eal eal_;
  std::vector<std::vector<std::string>> xdp_interfaces_;  // by port
  std::vector<config::NicProfile> profiles_;
  std::vector<nic::PortNode> nodes_;  // by port
  nic::Pools pools_;
  std::vector<std::unique_ptr<nic::NetworkPort>> devices_;
  std::vector<nic::NetworkPort*>
      ports_;  // by port: its devices, which ports with different VLANs share
  std::vector<std::unique_ptr<nic::VlanTrunk>> trunks_;
  std::vector<std::vector<nic::PortQueue*>> queues_;  // by port and worker
};

}  // namespace sluice::worker
