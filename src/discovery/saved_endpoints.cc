#include "discovery/saved_endpoints.h"

#include <stdexcept>
#include <utility>

#include <boost/json/value.hpp>

#include <fmt/format.h>

#include "discovery/state_file.h"

namespace sluice::discovery {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

json::object as_json(const Endpoint& e) {
  json::object out;
  out.emplace("address", e.address.str());
  out.emplace("id", e.id);
  out.emplace("ready", e.conditions.ready);
  out.emplace("serving", e.conditions.serving);
  out.emplace("terminating", e.conditions.terminating);
  out.emplace("zone", e.zone);
  out.emplace("weight", e.weight);
  return out;
}

Endpoint from_json(const json::value& v) {
  const auto address = sluice::Endpoint::parse(std::string_view(v.at("address").as_string()));
  if (!address) throw std::runtime_error("an address cannot be read");
  return {.address = *address,
          .id = std::string(v.at("id").as_string()),
          .conditions = {.ready = v.at("ready").as_bool(),
                         .serving = v.at("serving").as_bool(),
                         .terminating = v.at("terminating").as_bool()},
          .zone = std::string(v.at("zone").as_string()),
          .weight = v.at("weight").to_number<uint32_t>()};
}

}  // namespace

std::string saved_text(const SavedEndpoints& all) {
  json::object root;
  for (const auto& [name, set] : all) {
    json::array endpoints;
    for (const Endpoint& e : set.endpoints) endpoints.push_back(as_json(e));
    const auto since =
        std::chrono::duration_cast<std::chrono::seconds>(set.confirmed.time_since_epoch());
    json::object entry;
    entry.emplace("confirmed", since.count());
    entry.emplace("endpoints", std::move(endpoints));
    root.emplace(name, std::move(entry));
  }
  return checked_text(root);
}

SavedEndpoints read_saved_text(const std::string& text) {
  const json::value root = read_checked_text(text);
  SavedEndpoints out;
  try {
    for (const auto& [name, set] : root.as_object()) {
      SavedSet& s = out[std::string(name)];
      s.confirmed = std::chrono::system_clock::time_point(
          std::chrono::seconds(set.at("confirmed").as_int64()));
      for (const json::value& e : set.at("endpoints").as_array())
        s.endpoints.push_back(from_json(e));
    }
  } catch (const std::exception& e) {
    throw std::runtime_error(fmt::format("it was not written by Sluice: {}", e.what()));
  }
  return out;
}

SavedEndpoints read_saved(const fs::path& directory) {
  const fs::path file = directory / kSavedFile;
  const std::string text = read_state_file(file);
  if (text.empty()) return {};
  try {
    return read_saved_text(text);
  } catch (const std::exception& e) {
    throw std::runtime_error(fmt::format("{}: {}", file.string(), e.what()));
  }
}

void write_saved(const fs::path& directory, const std::string& text) {
  write_state_file(directory / kSavedFile, text);
}

}  // namespace sluice::discovery
