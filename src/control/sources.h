#pragma once
// The sources of endpoints: one for each service of the current configuration.

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "config/snapshot.h"
#include "discovery/file_watcher.h"
#include "discovery/source.h"
#include "loader/load.h"

namespace sluice::discovery::kubernetes {
class Cluster;
}  // namespace sluice::discovery::kubernetes

namespace sluice::control {

class Sources {
 public:
  // `service`: the index into the snapshot's services.
  using OnUpdate = std::function<void(size_t service, const discovery::Update& update)>;

  // Both outlive the sources.
  Sources(boost::asio::io_context& io, discovery::FileWatcher& watcher)
      : io_(io), watcher_(watcher) {}

  // Fills in the endpoints that a configuration takes from an API, as far as they are known now.
  // The configuration has no mistakes, and may never come into use.
  void fill(loader::Loaded& loaded) const;

  // Replaces the sources by those of a configuration that fill() has seen just now, and begins to
  // deliver. A source that asks an API, and that both configurations have, goes on.
  void replace(const loader::Loaded& loaded, const config::Startup& startup, OnUpdate on_update);

  // Fills in the pods of all services from the newest sets.
  void merge(config::Snapshot& snapshot) const;
  // Whether the last update of some source was refused.
  bool any_refused() const;
  const std::vector<std::unique_ptr<discovery::Source>>& all() const { return sources_; }

 private:
  // Makes, keeps or drops the cluster, as the configuration has it.
  void choose_cluster(const loader::Loaded& loaded);
  std::unique_ptr<discovery::Source> make(const loader::ServiceEndpoints& endpoints,
                                          const config::Startup& startup);

  boost::asio::io_context& io_;
  discovery::FileWatcher& watcher_;
  std::shared_ptr<discovery::kubernetes::Cluster> cluster_;  // nullptr: no service needs it
  OnUpdate on_update_;
  std::vector<std::unique_ptr<discovery::Source>> sources_;
  std::map<const discovery::Source*, size_t> services_;  // the index of each source
};

}  // namespace sluice::control
