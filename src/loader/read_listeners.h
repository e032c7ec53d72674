#pragma once
// [[listener]].

#include <set>
#include <string>

#include "loader/reading.h"

namespace sluice::loader {

// After the services. Returns the names of the services that listeners use.
std::set<std::string> read_listeners(Table& root, Reading& reading);

}  // namespace sluice::loader
