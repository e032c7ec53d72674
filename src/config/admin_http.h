#pragma once
// [admin] of the configuration: the HTTP server for metrics and probes.

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"

namespace sluice::config {

struct AdminHttp {
  std::optional<Endpoint> address;  // of loopback; nullopt: there is no server
  // Further names and addresses by which clients may call the server, without a port.
  std::vector<std::string> hosts;

  bool operator==(const AdminHttp&) const = default;
};

}  // namespace sluice::config
