#include "control/sources.h"

#include <algorithm>

#include "discovery/file_source.h"

namespace sluice::control {

void Sources::replace(const std::vector<loader::ServiceEndpoints>& all,
                      const config::Startup& startup, const OnUpdate& on_update) {
  std::vector<std::unique_ptr<discovery::Source>> next;
  for (const loader::ServiceEndpoints& e : all) {
    if (e.file.empty()) {
      next.push_back(std::make_unique<discovery::StaticSource>(e.endpoints));
      continue;
    }
    const auto read = [startup](const std::filesystem::path& file) {
      return loader::read_endpoints_file(file, startup);
    };
    next.push_back(std::make_unique<discovery::FileSource>(watcher_, e.file, read, e.endpoints));
  }
  // The previous sources are destroyed only when their successors watch the same directories.
  std::swap(sources_, next);
  for (size_t i = 0; i < sources_.size(); ++i)
    sources_[i]->start([i, on_update](const discovery::Update& u) { on_update(i, u); });
}

void Sources::merge(config::Snapshot& snapshot) const {
  for (size_t i = 0; i < sources_.size(); ++i)
    snapshot.services[i].pods = discovery::pods_of(sources_[i]->endpoints());
}

bool Sources::any_error() const {
  return std::any_of(sources_.begin(), sources_.end(),
                     [](const auto& s) { return !s->last_error().empty(); });
}

}  // namespace sluice::control
