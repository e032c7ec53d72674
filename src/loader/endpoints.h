#pragma once
// Lists of endpoints: in a file of their own, or in the configuration.

#include <filesystem>

#include "config/startup.h"
#include "discovery/source.h"

namespace sluice::loader {

// The place of a service's endpoints, and the endpoints that were read there.
struct ServiceEndpoints {
  std::filesystem::path file;  // empty: the endpoints are in the configuration itself
  discovery::EndpointSet endpoints;
};

// Reads a file of endpoints. `startup` is for the warnings about pods that no port reaches. Does
// file I/O, nothing else. Never throws for a mistake.
discovery::Update read_endpoints_file(const std::filesystem::path& file,
                                      const config::Startup& startup);

}  // namespace sluice::loader
