#pragma once
// The services of a listener's connections, by server name (RFC 6066, 3).

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "config/snapshot.h"

namespace sluice::splice {

class Service;

class Routes {
 public:
  // services: by their index in the snapshot; those that the listener leads to are not nullptr, and
  // outlive the routes.
  Routes(const config::Listener& listener, std::span<Service* const> services);

  // The service of a connection. server_name: in lower case; empty: the client sent none, or the
  // listener does not ask. An exact name comes first, then the wildcard that is closest to the
  // name, then the listener's own service. nullptr: the name is refused.
  Service* find(std::string_view server_name) const;
  bool lead_to(const Service& service) const;

 private:
  std::map<std::string, Service*, std::less<>> exact_;
  std::map<std::string, Service*, std::less<>> below_;  // ".example.com" of "*.example.com"
  Service* own_ = nullptr;                              // nullptr: the listener has none
  bool refuses_unknown_ = false;
};

}  // namespace sluice::splice
