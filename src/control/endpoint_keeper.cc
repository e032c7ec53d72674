#include "control/endpoint_keeper.h"

#include <utility>

#include <spdlog/spdlog.h>

namespace sluice::control {

void EndpointKeeper::use(const std::filesystem::path& directory) {
  if (directory == directory_) return;
  directory_ = directory;
  saved_.clear();
  if (directory_.empty()) return;
  try {
    saved_ = discovery::read_saved(directory_);
  } catch (const std::exception& e) {
    spdlog::error("saved endpoints are not used: {}", e.what());
  }
}

const discovery::SavedSet* EndpointKeeper::find(const std::string& source) const {
  const auto found = saved_.find(source);
  return found == saved_.end() ? nullptr : &found->second;
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
