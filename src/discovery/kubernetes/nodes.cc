#include "discovery/kubernetes/nodes.h"

#include <utility>

#include <boost/json/value.hpp>

#include "discovery/kubernetes/json_fields.h"

namespace sluice::discovery::kubernetes {
namespace {

namespace json = boost::json;

std::string name_of(const json::object& object) {
  std::string name = metadata_string(object, "name");
  if (name.empty()) throw Unreadable("metadata has no name");
  return name;
}

std::string name_if_any(const json::object& object) {
  try {
    return name_of(object);
  } catch (const Unreadable&) {
    return {};
  }
}

// The first InternalIP of each family: IPv4, IPv6.
std::vector<Address> internal_addresses(const json::object& node) {
  std::vector<Address> out;
  const json::object* status = object_at(node, "status");
  const json::array* addresses = status ? array_at(*status, "addresses") : nullptr;
  if (!addresses) return out;
  for (const json::value& v : *addresses) {
    if (!v.is_object()) throw Unreadable("an element of addresses is not an object");
    if (string_at(v.get_object(), "type") != "InternalIP") continue;
    const std::string text = string_at(v.get_object(), "address");
    const auto address = Address::parse(text);
    if (!address) throw Unreadable("\"" + text + "\" is not an address");
    bool known = false;
    for (const Address& a : out) known = known || a.is_v4() == address->is_v4();
    if (!known) out.push_back(*address);
  }
  return out;
}

std::vector<std::string> networks_of(const json::object& node) {
  std::vector<std::string> out;
  const json::object* spec = object_at(node, "spec");
  if (!spec) return out;
  if (const json::array* all = array_at(*spec, "podCIDRs"))
    for (const json::value& v : *all) {
      if (!v.is_string()) throw Unreadable("an element of podCIDRs is not a text");
      out.emplace_back(v.get_string());
    }
  // The field of clusters of one family, which others have beside the list.
  if (out.empty())
    if (std::string only = string_at(*spec, "podCIDR"); !only.empty())
      out.push_back(std::move(only));
  return out;
}

std::vector<GatewayRoute> read_node(const json::object& node) {
  std::vector<GatewayRoute> out;
  const std::vector<Address> gateways = internal_addresses(node);
  for (const std::string& text : networks_of(node)) {
    const auto network = Prefix::parse(text);
    if (!network) throw Unreadable("\"" + text + "\" is not a network");
    for (const Address& gateway : gateways)
      if (gateway.is_v4() == network->address.is_v4()) out.push_back({*network, gateway});
  }
  return out;
}

}  // namespace

void Nodes::begin_list() {
  list_.clear();
  kept_.clear();
}

void Nodes::listed(const json::object& object) {
  try {
    list_[name_of(object)] = read_node(object);
  } catch (const Unreadable& e) {
    const std::string name = name_if_any(object);
    complain(name, e.what());
    kept_.insert(name);
  }
}

void Nodes::end_list() {
  const bool any = kept_.contains("");
  for (auto& [name, routes] : nodes_)
    if (any || kept_.contains(name)) list_.try_emplace(name, std::move(routes));
  nodes_ = std::exchange(list_, {});
  kept_.clear();
}

void Nodes::changed(const json::object& object) {
  try {
    nodes_[name_of(object)] = read_node(object);
  } catch (const Unreadable& e) {
    complain(name_if_any(object), e.what());
  }
}

void Nodes::deleted(const json::object& object) {
  nodes_.erase(name_if_any(object));
}

std::vector<GatewayRoute> Nodes::routes() const {
  std::vector<GatewayRoute> out;
  for (const auto& [name, routes] : nodes_)
    for (const GatewayRoute& r : routes)
      if (out.size() < kMostRoutes) out.push_back(r);
  return out;
}

void Nodes::complain(const std::string& node, const std::string& why) {
  complain_("Node " + node + " cannot be read, and stays as it was: " + why);
}

}  // namespace sluice::discovery::kubernetes
