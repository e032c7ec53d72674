#include "control/link_watch.h"

#include <fmt/format.h>

namespace sluice::control {

std::vector<LinkWatch::Line> LinkWatch::look(const config::Snapshot& current) {
  std::vector<Line> lines;
  if (!probe_) return lines;
  links_.resize(current.startup.ports.size());
  for (size_t i = 0; i < links_.size(); ++i) {
    const stats::NicLink link = probe_(i);
    std::optional<stats::NicLink>& before = links_[i];
    if (before == link) continue;
    if (link.up && !(before && before->up) && announce_) announce_(i);
    before = link;
    lines.push_back(
        {link.up, fmt::format("port {}: link {}", current.startup.ports[i].name, link.str())});
  }
  return lines;
}

std::vector<bool> LinkWatch::up() const {
  std::vector<bool> out;
  for (const auto& link : links_) out.push_back(link && link->up);
  return out;
}

}  // namespace sluice::control
