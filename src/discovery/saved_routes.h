#pragma once
// The last good routes to pods in a file, so that a start without API reaches the pods.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/learned_route.h"

namespace sluice::discovery {

struct SavedRoutes {
  std::string server;               // whose Nodes they are: ApiServer::str()
  std::vector<GatewayRoute> nodes;  // as the Nodes had them
  std::vector<GatewayRoute> kernel;

  bool operator==(const SavedRoutes&) const = default;
};

// The name of the file in `state_directory`.
inline constexpr std::string_view kSavedRoutesFile = "routes.json";

// The content of the file (discovery/state_file.h).
std::string saved_routes_text(const SavedRoutes& all);
// Throws std::runtime_error when the text is not whole.
SavedRoutes read_saved_routes_text(const std::string& text);
// No routes when there is no file. Throws std::runtime_error with the file and the reason.
SavedRoutes read_saved_routes(const std::filesystem::path& directory);

}  // namespace sluice::discovery
