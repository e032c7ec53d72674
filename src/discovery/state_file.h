#pragma once
// Files of `state_directory`: JSON behind a line with its checksum (SHA-256), replaced by rename.

#include <filesystem>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace sluice::discovery {

// The content of a file.
std::string checked_text(const boost::json::value& root);
// Throws std::runtime_error when the text is not whole.
boost::json::value read_checked_text(std::string_view text);

// Empty when there is no such file. Throws std::runtime_error with the file and the reason.
std::string read_state_file(const std::filesystem::path& file);
// Replaces the file: readers, and a machine that loses power, have the old or the new one. Throws
// std::runtime_error.
void write_state_file(const std::filesystem::path& file, std::string_view text);

}  // namespace sluice::discovery
