#pragma once
// [admin] of the configuration: the HTTP server for metrics and probes.

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"

namespace sluice::config {

struct AdminHttp {
  std::optional<Endpoint> address;  // nullopt: there is no server
  // Further names and addresses by which clients may call the server, without a port.
  std::vector<std::string> hosts;
  // PEM; empty: the server speaks plain HTTP, on loopback only.
  std::string certificate;  // with those of authorities between
  std::string key;
  // That requests have in Authorization, after "Bearer "; empty: none is asked for, on loopback
  // only.
  std::string token;

  bool operator==(const AdminHttp&) const = default;
};

}  // namespace sluice::config
