#pragma once
// All numbers for Prometheus: docs/metrics.md has their names and meanings.

#include "admin/answer.h"
#include "admin/exposition.h"

namespace sluice::admin {

// No label has bytes of a client. Labels come from the configuration, from the sources of
// endpoints, and from the tables of src/stats.
Exposition metrics(const View& view);

}  // namespace sluice::admin
