#pragma once
// [dns] of the configuration.

#include <string>
#include <vector>

#include "base/chrono.h"

namespace sluice::discovery::dns {

struct Settings {
  // Like "10.96.0.10:53"; empty: those of /etc/resolv.conf.
  std::vector<std::string> servers;
  Duration max_ttl = 30s;  // a longer TTL counts as this

  bool operator==(const Settings&) const = default;
};

}  // namespace sluice::discovery::dns
