#include "control/link_watch.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sluice::control {

std::vector<LinkWatch::Line> LinkWatch::look(const config::Snapshot& current) {
  std::vector<Line> lines;
  if (!probe_) return lines;
  ports_.resize(current.startup.ports.size());
  const bool new_vips = has_new_vips(current);
  for (size_t i = 0; i < ports_.size(); ++i) {
    Port& port = ports_[i];
    const stats::NicLink link = probe_(i);
    // The switch knows another member of a bond by another of its own ports.
    const bool anew = link.up && !(port.link && port.link->up && port.link->member == link.member);
    if (anew && announce_) announce_(i);
    if (anew || new_vips) {
      port.repetitions = kAnnouncements - 1;
      port.looks = 0;
    } else if (link.up) {
      repeat(i);
    }
    if (port.link == link) continue;
    port.link = link;
    lines.push_back(
        {link.up, fmt::format("port {}: link {}", current.startup.ports[i].name, link.str())});
  }
  return lines;
}

void LinkWatch::repeat(size_t index) {
  Port& port = ports_[index];
  if (port.repetitions == 0 || ++port.looks < kLooksBetween) return;
  port.looks = 0;
  --port.repetitions;
  if (announce_) announce_(index);
}

// An address that is in this snapshot and was in none before. Addresses that went are forgotten.
bool LinkWatch::has_new_vips(const config::Snapshot& current) {
  std::vector<Address> vips;
  for (const config::Listener& l : current.listeners) vips.push_back(l.address.address);
  std::sort(vips.begin(), vips.end());
  vips.erase(std::unique(vips.begin(), vips.end()), vips.end());
  const bool all_known = std::includes(vips_.begin(), vips_.end(), vips.begin(), vips.end());
  vips_ = std::move(vips);
  return !all_known;
}

std::vector<bool> LinkWatch::up() const {
  std::vector<bool> out;
  for (const Port& port : ports_) out.push_back(port.link && port.link->up);
  return out;
}

}  // namespace sluice::control
