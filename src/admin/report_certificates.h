#pragma once
// The certificates of all listeners, as JSON.

#include <boost/json/object.hpp>

#include "config/snapshot.h"

namespace sluice::admin {

// now: seconds since 1970.
boost::json::object report_certificates(const config::Snapshot& current, int64_t now);

}  // namespace sluice::admin
