#include "loader/profile_directory.h"

#include <algorithm>

#include <fmt/format.h>

namespace sluice::loader {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kAutomatic = "auto";

// Beside the program where it was installed (bin/sluiced and share/sluice), else in the sources.
fs::path installed() {
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  const fs::path beside = program.parent_path().parent_path() / SLUICE_DATA / "nic_profiles";
  return fs::is_directory(beside, failed) ? beside : fs::path(SLUICE_SOURCE) / "nic_profiles";
}

}  // namespace

ProfileDirectory::ProfileDirectory(Table& root) {
  std::string given;
  path_ = root.string("nic_profiles", given) ? root.document().resolve(given) : installed();
}

std::string ProfileDirectory::file_of(const std::string& profile) const {
  const bool is_path = profile.find('/') != std::string::npos || profile.ends_with(".toml");
  return is_path ? profile : (path_ / (profile + ".toml")).string();
}

std::vector<config::NicProfile> ProfileDirectory::read_all(Table& root, Reading& reading) const {
  std::vector<fs::path> files;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(path_, failed))
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  if (failed || files.empty())
    root.mistake("nic_profiles",
                 fmt::format("a port has profile = \"{}\", and the directory {} has no profile{}; "
                             "nic_profiles must name the directory of the profiles",
                             kAutomatic, path_.string(),
                             failed ? " (" + failed.message() + ")" : std::string()));
  std::sort(files.begin(), files.end());
  std::vector<config::NicProfile> profiles;
  const Mistake place = root.place("nic_profiles");
  for (const fs::path& file : files) {
    reading.files.push_back(file);
    if (const auto document = Document::open(file, &place, reading.mistakes))
      profiles.push_back(read_profile(*document, reading.mistakes));
  }
  return profiles;
}

void read_profile_of(Table& port, Reading& reading, const ProfileDirectory& directory,
                     std::optional<config::NicProfile>& profile) {
  std::string word(kAutomatic);
  port.string("profile", word);
  if (word == kAutomatic) return;
  if (const auto document = reading.open(port, "profile", directory.file_of(word)))
    profile = read_profile(*document, reading.mistakes);
}

}  // namespace sluice::loader
