#pragma once
// An EndpointSlice (discovery.k8s.io/v1), with the fields that Sluice uses.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/address.h"
#include "discovery/endpoint_set.h"
#include "discovery/kubernetes/object_key.h"

namespace sluice::discovery::kubernetes {

struct SlicePort {
  std::string name;  // the name of the service's port; empty when the service has only one
  // The endpoints' port; nullopt: all ports.
  std::optional<uint16_t> number;
  bool tcp = true;
};

struct SliceEndpoint {
  Address address;
  std::string uid;  // of the pod that targetRef names; empty: there is none
  Conditions conditions;
  std::string zone;
  std::vector<std::string> hints;  // hints.forZones
};

struct EndpointSlice {
  ObjectKey key;
  ObjectKey service;  // by the label kubernetes.io/service-name; without a name, of no service
  std::vector<SliceEndpoint> endpoints;
  std::vector<SlicePort> ports;
  // The annotation endpoints.kubernetes.io/last-change-trigger-time: when the change of a pod or of
  // the service came that led to this form of the slice.
  std::optional<std::chrono::system_clock::time_point> trigger;
};

// Namespace and name of an object of any kind. Throws Unreadable without a name.
ObjectKey key_of(const boost::json::object& object);

// Conditions that are null or absent mean what the API says: ready is true, serving is as ready,
// terminating is false. A slice of addressType FQDN, which is deprecated, has no endpoints here.
// Throws Unreadable (json_fields.h).
EndpointSlice read_endpoint_slice(const boost::json::object& object);

}  // namespace sluice::discovery::kubernetes
