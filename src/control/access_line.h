#pragma once
// A line of the access log: one JSON object, whose fields docs/access-log.md lists.

#include <chrono>
#include <string>
#include <string_view>

#include "config/snapshot.h"
#include "stats/access.h"

namespace sluice::control {

// The names of a note's slots; empty: nobody knows any more.
struct AccessNames {
  std::string_view listener;
  std::string_view service;
  std::string_view name_space{};  // of Kubernetes
  std::string_view pod;           // its id, or its address if it has none
  std::string_view route{};       // the name in the listener's route that the server name matched
};

// Of the listener's routes, the name that leads a server name to a service: the very name, or the
// closest wildcard, as splice::Routes has it. Empty: it is the listener's own service.
std::string_view route_of(const config::Listener& listener, std::string_view server_name);

// arrived: of the call. Ends in a line feed. Bytes that are not printable ASCII are escaped as
// \u00xx, so that no client can end a line, or send a terminal its commands.
std::string access_line(const stats::Access& a, const AccessNames& names,
                        std::chrono::system_clock::time_point arrived);

}  // namespace sluice::control
