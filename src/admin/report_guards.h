#pragma once
// Which attacks the guards of this process are against, what limits them and what they have met:
// the answer to "does this CVE hit us?".

#include <boost/json/object.hpp>

#include "admin/ledger.h"
#include "config/snapshot.h"

namespace sluice::admin {

boost::json::object report_guards(const config::Snapshot& current, const Ledger& ledger);

}  // namespace sluice::admin
