#pragma once
// Endpoints: in a file of their own, in the configuration, or with an API.

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "config/startup.h"
#include "discovery/dns/target.h"
#include "discovery/kubernetes/service_port.h"
#include "discovery/source.h"

namespace sluice::loader {

// The place of a service's endpoints, and the endpoints that were read there.
struct ServiceEndpoints {
  std::filesystem::path file;  // with endpoints; empty: there is none
  std::optional<discovery::kubernetes::ServicePort> kubernetes;
  std::optional<discovery::dns::Target> dns;
  // Those that were read, or that are known already.
  discovery::EndpointSet endpoints;
  std::chrono::steady_clock::duration age{};  // of endpoints that are known already

  // Where the endpoints are asked for, like "dns pods.test:80"; empty: nowhere, since they stand in
  // a file or in the configuration.
  std::string asked() const {
    if (kubernetes) return "kubernetes " + kubernetes->str();
    return dns ? "dns " + dns->str() : "";
  }
};

// Reads a file of endpoints. `startup` is for the warnings about pods that no port reaches. Does
// file I/O, nothing else. Never throws for a mistake.
discovery::Update read_endpoints_file(const std::filesystem::path& file,
                                      const config::Startup& startup);

}  // namespace sluice::loader
