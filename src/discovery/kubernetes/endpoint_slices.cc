#include "discovery/kubernetes/endpoint_slices.h"

#include <utility>

#include "discovery/kubernetes/json_fields.h"

namespace sluice::discovery::kubernetes {
namespace {

// The key of an object of which nothing else may be readable; without a name when not even that is.
ObjectKey key_if_any(const boost::json::object& object) {
  try {
    return key_of(object);
  } catch (const Unreadable&) {
    return {};
  }
}

}  // namespace

void EndpointSlices::begin_list() {
  list_.clear();
  kept_.clear();
}

void EndpointSlices::listed(const boost::json::object& object) {
  try {
    list_.push_back(read_endpoint_slice(object));
  } catch (const Unreadable& e) {
    const ObjectKey key = key_if_any(object);
    complain(key.str(), e.what());
    kept_.insert(key);
  }
}

void EndpointSlices::end_list() {
  store_.replace(name_space_, std::exchange(list_, {}), std::exchange(kept_, {}));
}

void EndpointSlices::changed(const boost::json::object& object) {
  try {
    store_.put(read_endpoint_slice(object));
  } catch (const Unreadable& e) {
    complain(key_if_any(object).str(), e.what());
  }
}

void EndpointSlices::deleted(const boost::json::object& object) {
  try {
    store_.erase(key_of(object));
  } catch (const Unreadable& e) {
    complain("", e.what());
  }
}

void EndpointSlices::complain(const std::string& object, const std::string& why) {
  ++unreadable_;
  complain_("EndpointSlice " + object + " cannot be read, and stays as it was: " + why);
}

}  // namespace sluice::discovery::kubernetes
