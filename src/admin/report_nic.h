#pragma once
// The answer to `nic`: each port's devices, the claims of its profile, and what was dropped.

#include <functional>

#include <boost/json/object.hpp>

#include "admin/ledger.h"
#include "config/snapshot.h"
#include "stats/nic_port.h"

namespace sluice::admin {

// The state of the port with this index in the configuration. Asks the driver, which may make
// system calls. An empty function knows nothing.
using NicProbe = std::function<stats::NicPort(size_t port)>;

boost::json::object report_nic(const config::Snapshot& current, const Ledger& ledger,
                               const NicProbe& probe);

}  // namespace sluice::admin
