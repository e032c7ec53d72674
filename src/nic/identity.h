#pragma once
// The kind of a device: the things that distinguish the devices of one profile from others.

#include <string>

#include "config/nic_profile.h"

namespace sluice::nic {

// Fields that are not known are empty.
struct DeviceIdentity {
  std::string device;         // DPDK's name: "net_tap0", "0000:03:00.0"
  std::string driver;         // DPDK's name: "net_ice"
  std::string bus;            // DPDK's name: "pci", "vdev"
  std::string pci;            // vendor and device: "8086:10d3"
  std::string interface;      // the kernel's interface behind the device: "eth0"
  std::string kernel_driver;  // of that interface: "veth", "mlx5_core"

  // "driver net_af_xdp, bus vdev, interface north of the kernel's driver veth".
  std::string str() const;
};

// Asks DPDK and the kernel: for the control thread. Throws Error when DPDK has no such device.
DeviceIdentity identify(const std::string& port, const std::string& device);

// The kernel's interface with this index in this network namespace; empty: there is none.
std::string interface_of(unsigned index);

// Whether the kernel's interface has a carrier; true when the kernel does not tell.
bool has_carrier(const std::string& interface);

// The driver that the kernel names for an interface of this network namespace, as `ethtool -i`
// does; empty when the kernel does not tell.
std::string kernel_driver_of(const std::string& interface);

}  // namespace sluice::nic
