#pragma once
// The permissions that a start needs, checked together before anything is opened. A driver without
// a permission fails late, and with a reason that names something else.

#include <string>
#include <vector>

#include "nic/eal.h"

namespace sluice::nic {

// The permissions that the process lacks for these devices, one phrase for each, like "CAP_NET_RAW,
// to open AF_XDP sockets". Empty when it lacks none. Extra EAL arguments may need more; this
// function does not know them.
std::vector<std::string> missing_privileges(const EalOptions& options);

}  // namespace sluice::nic
