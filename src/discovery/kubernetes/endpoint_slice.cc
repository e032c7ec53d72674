#include "discovery/kubernetes/endpoint_slice.h"

#include <ctime>

#include <boost/json/value.hpp>

#include "discovery/kubernetes/json_fields.h"

namespace sluice::discovery::kubernetes {
namespace {

namespace json = boost::json;

const json::object& element(const json::value& v, std::string_view of) {
  if (!v.is_object()) throw Unreadable("an element of " + std::string(of) + " is not an object");
  return v.get_object();
}

Conditions read_conditions(const json::object& endpoint) {
  Conditions c;
  const json::object* given = object_at(endpoint, "conditions");
  if (!given) return c;
  c.ready = bool_at(*given, "ready", true);
  c.serving = bool_at(*given, "serving", c.ready);
  c.terminating = bool_at(*given, "terminating", false);
  return c;
}

SliceEndpoint read_endpoint(const json::object& o, bool ipv4) {
  SliceEndpoint e;
  // Further addresses have no meaning that the API defines.
  const json::array* addresses = array_at(o, "addresses");
  if (!addresses || addresses->empty() || !addresses->front().is_string())
    throw Unreadable("an endpoint has no address");
  const std::string_view text = addresses->front().get_string();
  const auto address = Address::parse(text);
  if (!address || address->is_v4() != ipv4 || address->unspecified())
    throw Unreadable("\"" + std::string(text) + "\" is not an address of the slice's addressType");
  e.address = *address;
  e.conditions = read_conditions(o);
  e.zone = string_at(o, "zone");
  if (const json::object* target = object_at(o, "targetRef");
      target && string_at(*target, "kind") == "Pod")
    e.uid = string_at(*target, "uid");
  if (const json::object* hints = object_at(o, "hints"))
    if (const json::array* zones = array_at(*hints, "forZones"))
      for (const json::value& z : *zones)
        e.hints.push_back(string_at(element(z, "forZones"), "name"));
  return e;
}

SlicePort read_port(const json::object& o) {
  SlicePort p;
  p.name = string_at(o, "name");
  const std::string protocol = string_at(o, "protocol");
  p.tcp = protocol.empty() || protocol == "TCP";
  const json::value* number = o.if_contains("port");
  if (!number || number->is_null()) return p;
  constexpr int64_t kLargest = 65'535;
  if (!number->is_int64() || number->get_int64() < 1 || number->get_int64() > kLargest)
    throw Unreadable("a port is not a number from 1 to 65535");
  p.number = static_cast<uint16_t>(number->get_int64());
  return p;
}

constexpr std::string_view kTrigger = "endpoints.kubernetes.io/last-change-trigger-time";

// RFC 3339, in UTC, as Kubernetes writes it; nullopt for anything else.
std::optional<std::chrono::system_clock::time_point> read_time(const std::string& text) {
  std::tm t{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &t);
  if (rest == nullptr) return std::nullopt;
  std::chrono::nanoseconds fraction{0};
  if (*rest == '.') {
    std::chrono::nanoseconds unit = std::chrono::milliseconds(100);
    for (++rest; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10) fraction += unit * (*rest - '0');
  }
  if (std::string_view(rest) != "Z") return std::nullopt;
  return std::chrono::system_clock::from_time_t(::timegm(&t)) + fraction;
}

}  // namespace

ObjectKey key_of(const json::object& object) {
  ObjectKey key{metadata_string(object, "namespace"), metadata_string(object, "name")};
  if (key.name.empty()) throw Unreadable("metadata has no name");
  return key;
}

EndpointSlice read_endpoint_slice(const json::object& object) {
  EndpointSlice slice;
  slice.key = key_of(object);
  const json::object& metadata = *object_at(object, "metadata");
  if (const json::object* labels = object_at(metadata, "labels"))
    slice.service = {slice.key.name_space, string_at(*labels, "kubernetes.io/service-name")};
  if (const json::object* annotations = object_at(metadata, "annotations"))
    slice.trigger = read_time(string_at(*annotations, kTrigger));
  const std::string type = string_at(object, "addressType");
  const json::array* endpoints = array_at(object, "endpoints");
  const json::array* ports = array_at(object, "ports");
  if (type == "FQDN") return slice;
  if (type != "IPv4" && type != "IPv6") throw Unreadable("addressType is \"" + type + "\"");
  if (endpoints)
    for (const json::value& e : *endpoints)
      slice.endpoints.push_back(read_endpoint(element(e, "endpoints"), type == "IPv4"));
  if (ports)
    for (const json::value& p : *ports) slice.ports.push_back(read_port(element(p, "ports")));
  return slice;
}

}  // namespace sluice::discovery::kubernetes
