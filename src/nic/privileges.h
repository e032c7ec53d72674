#pragma once
// The permissions that a start needs, asked for all at once and before anything is opened: a
// driver that lacks one fails late, and with a reason that names something else.

#include <string>
#include <vector>

#include "nic/eal.h"

namespace sluice::nic {

// The permissions that the process lacks for these devices, one phrase for each, like
// "CAP_NET_RAW, to open AF_XDP sockets". Empty when it has all. Extra EAL arguments may need
// more, which cannot be known here.
std::vector<std::string> missing_privileges(const EalOptions& options);

}  // namespace sluice::nic
