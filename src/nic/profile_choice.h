#pragma once
// Finds the profile of a device among the files of nic_profiles/, by their [match] tables.

#include <string>
#include <vector>

#include "nic/identity.h"

namespace sluice::nic {

// The candidate that matches the device. Candidates that name the driver come before those that do
// not, and then those with more lists. Throws Error, with the candidates and the way out, when none
// matches, or when several match equally well. There is no built-in profile to fall back to: a
// driver that takes whole areas of memory, as AF_XDP does, would read beside the buffers of a
// profile that is too simple. A candidate that matches a bus is the fallback of that bus.
const config::NicProfile& choose_profile(const std::string& port, const DeviceIdentity& identity,
                                         const std::vector<config::NicProfile>& candidates);

// For a port of several devices, which all have to match the same profile.
const config::NicProfile& choose_profile(const std::string& port,
                                         const std::vector<DeviceIdentity>& identities,
                                         const std::vector<config::NicProfile>& candidates);

}  // namespace sluice::nic
