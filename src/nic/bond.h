#pragma once
// Bonds: two or more devices that DPDK's bonding driver presents as one. The bond is a device of
// its own, made by a vdev line, and a port uses the bond as any other device.

#include <cstdint>
#include <vector>

namespace sluice::nic {

// DPDK's numbers of a bond's members; empty: the device is no bond.
std::vector<uint16_t> bond_members(uint16_t device);

// A bond looks for its members when it is configured for the first time, and offers nothing before.
// Configures the device if it is a bond. Throws Error when a member does not fit, or there is none.
void join_members(uint16_t device);

}  // namespace sluice::nic
