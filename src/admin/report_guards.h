#pragma once
// The guards of this process: the attacks that they are against, their limits, and their counts.
// The answer to "does this CVE hit us?".

#include <boost/json/object.hpp>

#include "admin/ledger.h"
#include "config/snapshot.h"

namespace sluice::admin {

boost::json::object report_guards(const config::Snapshot& current, const Ledger& ledger);

}  // namespace sluice::admin
