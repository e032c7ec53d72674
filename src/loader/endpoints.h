#pragma once
// Endpoints: in a file of their own, in the configuration, or with an API.

#include <filesystem>
#include <optional>

#include "config/startup.h"
#include "discovery/kubernetes/service_port.h"
#include "discovery/source.h"

namespace sluice::loader {

// The place of a service's endpoints, and the endpoints that were read there.
struct ServiceEndpoints {
  std::filesystem::path file;  // with endpoints; empty: there is none
  std::optional<discovery::kubernetes::ServicePort> kubernetes;
  // Those that were read; empty when they come from elsewhere than a file or the configuration.
  discovery::EndpointSet endpoints;

  // Neither the configuration nor a file has the endpoints.
  bool live() const { return kubernetes.has_value(); }
};

// Reads a file of endpoints. `startup` is for the warnings about pods that no port reaches. Does
// file I/O, nothing else. Never throws for a mistake.
discovery::Update read_endpoints_file(const std::filesystem::path& file,
                                      const config::Startup& startup);

}  // namespace sluice::loader
