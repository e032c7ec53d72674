#pragma once
// The EndpointSlices that the API server has told of, and the endpoints that they amount to.

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "discovery/endpoint_set.h"
#include "discovery/kubernetes/endpoint_slice.h"
#include "discovery/kubernetes/service_port.h"

namespace sluice::discovery::kubernetes {

class SliceStore {
 public:
  // zone: of Sluice's own node, for the hints of slices; empty: hints are ignored.
  explicit SliceStore(std::string zone = {}) : zone_(std::move(zone)) {}

  void put(EndpointSlice slice);
  void erase(const ObjectKey& slice);
  // The slices of a namespace, or all when it is empty, are these and no others, except that those
  // in `kept` stay as they are: their new form could not be read. A key without a name is one that
  // could not be read: any slice may be the one, so all stay.
  void replace(const std::string& name_space, std::vector<EndpointSlice> slices,
               const std::set<ObjectKey>& kept);

  // The endpoints of all slices of the service, in the order of addresses: an endpoint that moves
  // from one slice to another changes nothing.
  EndpointSet endpoints(const ServicePort& port) const;

  // Whether the service has slices, with endpoints or without.
  bool has(const ObjectKey& service) const { return by_service_.contains(service); }
  // The reason why there are none, in words for people; empty when there are some, or when the
  // service's slices have no endpoints at all.
  std::string why_empty(const ServicePort& port) const;

  // The services whose slices have changed since the last call, with the new triggers of these
  // slices.
  using Triggers = std::vector<std::chrono::system_clock::time_point>;
  std::map<ObjectKey, Triggers> take_changed() { return std::exchange(changed_, {}); }
  size_t size() const { return slices_.size(); }

 private:
  // Of the endpoints, those that hints give to the zone.
  std::vector<const SliceEndpoint*> in_zone(std::vector<const SliceEndpoint*> all) const;

  std::string zone_;
  std::map<ObjectKey, EndpointSlice> slices_;
  std::map<ObjectKey, std::map<ObjectKey, const EndpointSlice*>> by_service_;  // of slices_
  std::map<ObjectKey, Triggers> changed_;
};

}  // namespace sluice::discovery::kubernetes
