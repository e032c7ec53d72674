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
//
// tun: a port is a TAP interface of the kernel (nic/tun_port.h). CAP_NET_ADMIN is not asked for
// then: an interface that belongs to the user needs none.
std::vector<std::string> missing_privileges(const EalOptions& options, bool tun = false);

}  // namespace sluice::nic
