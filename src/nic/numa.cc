#include "nic/numa.h"

#include <rte_ethdev.h>

#include "nic/port.h"
#include "nic/tun_device.h"

namespace sluice::nic {

int node_of(const std::string& port, const std::string& device) {
  if (!tun_interface(device).empty()) return kAnyNode;
  return rte_eth_dev_socket_id(device_id(port, device));
}

int pool_node(std::span<const PortNode> ports, int worker_node) {
  int common = kAnyNode;
  for (const PortNode& p : ports) {
    if (p.node == kAnyNode) continue;
    if (common != kAnyNode && common != p.node) return worker_node;
    common = p.node;
  }
  return common == kAnyNode ? worker_node : common;
}

std::vector<std::string> far_ports(unsigned worker, unsigned core, int worker_node,
                                   std::span<const PortNode> ports) {
  std::vector<std::string> all;
  if (worker_node == kAnyNode) return all;
  for (const PortNode& p : ports)
    if (p.node != kAnyNode && p.node != worker_node)
      all.push_back("worker " + std::to_string(worker) + " runs on core " + std::to_string(core) +
                    " of NUMA node " + std::to_string(worker_node) + ", and port '" + p.port +
                    "' is connected to node " + std::to_string(p.node) +
                    ": each packet crosses between the nodes. Give worker_cores a core of node " +
                    std::to_string(p.node) + ".");
  return all;
}

}  // namespace sluice::nic
