#pragma once
// [kubernetes] of the configuration.

#include <string>
#include <vector>

#include "discovery/kubernetes/api_server.h"

namespace sluice::discovery::kubernetes {

struct Settings {
  ApiServer server;
  // Those that are watched, with one watch each; empty: all, with a single watch.
  std::vector<std::string> namespaces;
  std::string zone;  // of Sluice's node; empty: hints about zones are ignored

  bool operator==(const Settings&) const = default;
};

}  // namespace sluice::discovery::kubernetes
