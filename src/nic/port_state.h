#pragma once
// The state of a port, as its devices tell it. Makes system calls: for the control thread.

#include "nic/port.h"
#include "stats/nic_port.h"

namespace sluice::nic {

stats::NicPort state_of(const Port& port);

// The difference that the hash check found, in words; empty while it has found none. Asks no
// device.
std::string hash_fault(const Port& port);

}  // namespace sluice::nic
