#include "discovery/saved_routes.h"

#include <stdexcept>
#include <utility>

#include <boost/json/value.hpp>

#include <fmt/format.h>

#include "discovery/state_file.h"

namespace sluice::discovery {
namespace {

namespace json = boost::json;

json::array as_array(const std::vector<GatewayRoute>& routes) {
  json::array out;
  for (const GatewayRoute& r : routes) {
    json::object route;
    route.emplace("to", r.to.str());
    route.emplace("via", r.via.str());
    out.push_back(std::move(route));
  }
  return out;
}

std::vector<GatewayRoute> routes_of(const json::value& root, const char* name) {
  std::vector<GatewayRoute> out;
  for (const json::value& v : root.at(name).as_array()) {
    const auto to = Prefix::parse(std::string_view(v.at("to").as_string()));
    const auto via = Address::parse(std::string_view(v.at("via").as_string()));
    if (!to || !via || to->address.is_v4() != via->is_v4())
      throw std::runtime_error("a route cannot be read");
    if (out.size() < kMostRoutes) out.push_back({*to, *via});
  }
  return out;
}

}  // namespace

std::string saved_routes_text(const SavedRoutes& all) {
  json::object root;
  root.emplace("server", all.server);
  root.emplace("nodes", as_array(all.nodes));
  root.emplace("kernel", as_array(all.kernel));
  return checked_text(root);
}

SavedRoutes read_saved_routes_text(const std::string& text) {
  const json::value root = read_checked_text(text);
  try {
    return {.server = std::string(root.at("server").as_string()),
            .nodes = routes_of(root, "nodes"),
            .kernel = routes_of(root, "kernel")};
  } catch (const std::exception& e) {
    throw std::runtime_error(fmt::format("it was not written by Sluice: {}", e.what()));
  }
}

SavedRoutes read_saved_routes(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / kSavedRoutesFile;
  const std::string text = read_state_file(file);
  if (text.empty()) return {};
  try {
    return read_saved_routes_text(text);
  } catch (const std::exception& e) {
    throw std::runtime_error(fmt::format("{}: {}", file.string(), e.what()));
  }
}

}  // namespace sluice::discovery
