#pragma once
// NUMA: where the packet memory of a worker lies, and which workers are far from their ports.

#include <span>
#include <string>
#include <vector>

namespace sluice::nic {

inline constexpr int kAnyNode = -1;  // as DPDK says it: unknown, or no matter

struct PortNode {
  std::string port;     // of the configuration
  int node = kAnyNode;  // of the bus to which the port's device is connected
};

// The node of a device of DPDK; kAnyNode for others. Throws Error when DPDK has no such device.
int node_of(const std::string& port, const std::string& device);

// The node for the packet pools of a worker: that of the ports, since devices write there and read
// from there. Ports on different nodes leave it to the worker's own node.
int pool_node(std::span<const PortNode> ports, int worker_node);

// One sentence for each port that is on another node than the worker.
std::vector<std::string> far_ports(unsigned worker, unsigned core, int worker_node,
                                   std::span<const PortNode> ports);

}  // namespace sluice::nic
