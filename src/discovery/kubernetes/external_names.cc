#include "discovery/kubernetes/external_names.h"

#include <utility>

#include <boost/json/value.hpp>

#include "discovery/kubernetes/endpoint_slice.h"
#include "discovery/kubernetes/json_fields.h"

namespace sluice::discovery::kubernetes {

namespace json = boost::json;

void ExternalNames::put(Services& services, const json::object& object, const Services& before) {
  ObjectKey key;
  try {
    key = key_of(object);
    const json::object* spec = object_at(object, "spec");
    if (!spec || string_at(*spec, "type") != "ExternalName") {
      services.erase(key);
      return;
    }
    External e{.host = string_at(*spec, "externalName"), .ports = {}};
    if (const json::array* ports = array_at(*spec, "ports"))
      for (const json::value& p : *ports) {
        constexpr int64_t kLargest = 65'535;
        const json::value* number = p.is_object() ? p.get_object().if_contains("port") : nullptr;
        if (!number || !number->is_int64() || number->get_int64() < 1 ||
            number->get_int64() > kLargest)
          throw Unreadable("a port is not a number from 1 to 65535");
        e.ports[string_at(p.get_object(), "name")] = static_cast<uint16_t>(number->get_int64());
      }
    services[key] = std::move(e);
  } catch (const Unreadable&) {
    if (const auto known = before.find(key); known != before.end())
      services.insert_or_assign(key, External(known->second));
  }
}

void ExternalNames::listed(const json::object& object) {
  put(list_, object, services_);
}

void ExternalNames::changed(const json::object& object) {
  put(services_, object, services_);
}

void ExternalNames::deleted(const json::object& object) {
  try {
    services_.erase(key_of(object));
  } catch (const Unreadable&) {
    // Nobody knows which it was.
  }
}

std::optional<ExternalNames::Found> ExternalNames::find(const ServicePort& wanted) const {
  const auto found = services_.find(wanted.service);
  if (found == services_.end()) return std::nullopt;
  const External& e = found->second;
  Found out{e.host, wanted.number()};
  // Such a service needs no ports, so a number stands for itself.
  if (out.port) return out;
  if (const auto named = e.ports.find(wanted.port); named != e.ports.end()) {
    out.port = named->second;
  } else if (wanted.port.empty() && e.ports.size() == 1) {
    out.port = e.ports.begin()->second;
  }
  return out;
}

}  // namespace sluice::discovery::kubernetes
