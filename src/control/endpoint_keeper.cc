#include "control/endpoint_keeper.h"

#include <utility>

#include <spdlog/spdlog.h>

namespace sluice::control {

const discovery::SavedEndpoints& EndpointKeeper::look_into(const std::filesystem::path& directory) {
  if (directory == directory_) return saved_;
  other_ = directory;
  in_other_.clear();
  if (directory.empty()) return in_other_;
  try {
    in_other_ = discovery::read_saved(directory);
  } catch (const std::exception& e) {
    spdlog::error("saved endpoints are not used: {}", e.what());
  }
  return in_other_;
}

void EndpointKeeper::use(const std::filesystem::path& directory) {
  if (directory == directory_) return;
  if (directory != other_) look_into(directory);
  directory_ = directory;
  saved_ = std::exchange(in_other_, {});
  other_.clear();
}

void EndpointKeeper::write_within(std::chrono::seconds time) {
  const auto now = boost::asio::steady_timer::clock_type::now();
  const bool planned = timer_.expiry() > now && timer_.expiry() <= now + time;
  if (directory_.empty() || planned) return;
  timer_.expires_after(time);
  timer_.async_wait([this](const boost::system::error_code& e) {
    if (!e) write();
  });
}

void EndpointKeeper::write() {
  if (directory_.empty()) return;  // a reload has taken it away since
  discovery::SavedEndpoints all;
  const auto now = std::chrono::system_clock::now();
  for (const auto& s : sources_) {
    if (!s->kept()) continue;
    const auto age = std::chrono::duration_cast<std::chrono::system_clock::duration>(s->age());
    all[s->name()] = {.endpoints = s->endpoints(), .confirmed = now - age};
  }
  if (all.empty()) return;
  writer_.write(
      directory_ / discovery::kSavedFile,
      [all = std::move(all)] { return discovery::saved_text(all); },
      [] {});  // it is written again anyway
  write_within(kRefresh);
}

}  // namespace sluice::control
