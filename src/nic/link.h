#pragma once
// The link of a device that DPDK drives.

#include <cstdint>
#include <string>

#include "stats/nic_port.h"

namespace sluice::nic {

// As driver and kernel tell it: drivers that send through an interface of the kernel do not all
// notice that the interface has lost its carrier (AF_XDP). interface: the kernel's, behind the
// device; empty: there is none. Makes system calls: for the control thread.
stats::NicLink link_of_device(uint16_t device, const std::string& interface);

}  // namespace sluice::nic
