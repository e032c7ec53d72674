#pragma once
// The sources of endpoints: one for each service of the current configuration.

#include <functional>
#include <memory>
#include <vector>

#include "config/snapshot.h"
#include "discovery/file_watcher.h"
#include "discovery/source.h"
#include "loader/endpoints.h"

namespace sluice::control {

class Sources {
 public:
  // `service`: the index into the snapshot's services.
  using OnUpdate = std::function<void(size_t service, const discovery::Update& update)>;

  // The watcher outlives the sources.
  explicit Sources(discovery::FileWatcher& watcher) : watcher_(watcher) {}

  // Replaces the sources by those of a configuration that was read just now, and begins to deliver.
  void replace(const std::vector<loader::ServiceEndpoints>& all, const config::Startup& startup,
               const OnUpdate& on_update);

  // Fills in the pods of all services from the newest sets.
  void merge(config::Snapshot& snapshot) const;
  // Whether the last update of some source failed.
  bool any_error() const;
  const std::vector<std::unique_ptr<discovery::Source>>& all() const { return sources_; }

 private:
  discovery::FileWatcher& watcher_;
  std::vector<std::unique_ptr<discovery::Source>> sources_;
};

}  // namespace sluice::control
