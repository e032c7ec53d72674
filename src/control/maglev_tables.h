#pragma once
// Makes the tables by which L4 listeners choose pods, so that no worker has to.

#include <string>
#include <vector>

#include "config/snapshot.h"

namespace sluice::control {

// Fills in Service::table of the services that L4 listeners use. A table of `before` is taken over
// when the service's pods are the same. before: the snapshot in use; nullptr for the first.
//
// Pods of a family that no port has an address of get no share. Returns the lines for the log:
// services that have no pod to choose, and had one before.
std::vector<std::string> fill_maglev_tables(config::Snapshot& next, const config::Snapshot* before);

}  // namespace sluice::control
