#pragma once
// "namespace/service:port", the form in which a configuration names endpoints of Kubernetes.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "discovery/kubernetes/object_key.h"

namespace sluice::discovery::kubernetes {

struct ServicePort {
  ObjectKey service;
  // The name of a port of the service, or the number of the endpoints' port (targetPort). Empty:
  // the service's only port.
  std::string port;

  auto operator<=>(const ServicePort&) const = default;

  std::string str() const { return service.str() + (port.empty() ? "" : ":" + port); }
  // The port as a number; nullopt when it is a name.
  std::optional<uint16_t> number() const;

  // "namespace/service:port" or "namespace/service"; nullopt for anything else.
  static std::optional<ServicePort> parse(std::string_view text);
};

}  // namespace sluice::discovery::kubernetes
