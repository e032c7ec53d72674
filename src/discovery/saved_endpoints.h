#pragma once
// The last good endpoints of each source in a file, so that a start without API serves.

#include <chrono>
#include <filesystem>
#include <map>
#include <string>

#include "discovery/endpoint_set.h"

namespace sluice::discovery {

struct SavedSet {
  EndpointSet endpoints;
  std::chrono::system_clock::time_point confirmed;  // by the source; in whole seconds

  bool operator==(const SavedSet&) const = default;
};

// By Source::name().
using SavedEndpoints = std::map<std::string, SavedSet>;

// The name of the file in `state_directory`.
inline constexpr std::string_view kSavedFile = "endpoints.json";

// The content of the file: a line with the checksum (SHA-256) of the rest, which is JSON.
std::string saved_text(const SavedEndpoints& all);
// Throws std::runtime_error when the text is not whole.
SavedEndpoints read_saved_text(const std::string& text);

// An empty map when there is no file. Throws std::runtime_error with the file and the reason.
SavedEndpoints read_saved(const std::filesystem::path& directory);
// Replaces the file: readers, and a machine that loses power, have the old or the new one. Throws
// std::runtime_error.
void write_saved(const std::filesystem::path& directory, const std::string& text);

}  // namespace sluice::discovery
