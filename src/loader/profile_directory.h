#pragma once
// The directory of NIC profiles: the place of a profile that a port names by a word, and the
// candidates of a port that leaves the choice to Sluice.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/nic_profile.h"
#include "loader/document.h"
#include "loader/reading.h"

namespace sluice::loader {

class ProfileDirectory {
 public:
  // The directory that the key nic_profiles of the main file names, or the one that was installed
  // with this program.
  explicit ProfileDirectory(Table& root);

  // The file of a port's `profile`: a path, or the name of a file of this directory.
  std::string file_of(const std::string& profile) const;
  // The profiles of the directory, by file name.
  std::vector<config::NicProfile> read_all(Table& root, Reading& reading) const;

 private:
  std::filesystem::path path_;
};

// The port's `profile`: nullopt where the port says "auto", nothing, or something that cannot be
// read.
void read_profile_of(Table& port, Reading& reading, const ProfileDirectory& directory,
                     std::optional<config::NicProfile>& profile);

}  // namespace sluice::loader
