#pragma once
// [[listener]].

#include <set>
#include <span>
#include <string>

#include "loader/reading.h"

namespace sluice::loader {

// After the services, whose tables are in the order of the snapshot. Returns the names of the
// services that listeners use.
std::set<std::string> read_listeners(Table& root, std::span<const Table> service_tables,
                                     Reading& reading);

}  // namespace sluice::loader
