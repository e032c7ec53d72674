#pragma once
// The sources of endpoints: one for each service of the current configuration.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "config/snapshot.h"
#include "control/endpoint_keeper.h"
#include "control/route_learner.h"
#include "discovery/dns/settings.h"
#include "discovery/dns/target.h"
#include "discovery/file_watcher.h"
#include "discovery/reachability.h"
#include "discovery/source.h"
#include "loader/load.h"
#include "stats/worker.h"

namespace sluice::discovery::kubernetes {
class Cluster;
}  // namespace sluice::discovery::kubernetes
namespace sluice::discovery::dns {
class DnsSource;
class Resolver;
}  // namespace sluice::discovery::dns

namespace sluice::control {

class Sources {
 public:
  // `service`: the index into the snapshot's services.
  using OnUpdate = std::function<void(size_t service, const discovery::Update& update)>;

  // Both outlive the sources.
  // on_routes: learned_routes() has changed.
  Sources(boost::asio::io_context& io, discovery::FileWatcher& watcher,
          std::function<void()> on_routes)
      : io_(io),
        watcher_(watcher),
        keeper_(io, sources_),
        route_learner_(io, std::move(on_routes)) {}

  // Fills in the endpoints that a configuration asks for, as far as they are known now, or were
  // when they were saved. The configuration has no mistakes, and may never come into use.
  void fill(loader::Loaded& loaded);

  // Replaces the sources by those of a configuration that fill() has seen just now, and begins to
  // deliver. A source that asks an API, and that both configurations have, goes on.
  void replace(const loader::Loaded& loaded, const config::Startup& startup, OnUpdate on_update);

  // Fills in the pods of the services with these names from the newest sets. Returns the services
  // (by index) that have changed.
  std::vector<uint32_t> merge(config::Snapshot& snapshot, const std::set<std::string>& names) const;
  // Fills in the learned routes, and the pods of all services.
  void merge_routes(config::Snapshot& snapshot) const;
  const config::SharedList<config::LearnedRoute>& learned_routes() const {
    return route_learner_.routes();
  }
  // Tells sources whose pods could not be connected to since the last call. `current` is the
  // configuration of the sources.
  void look_at_failures(const config::Snapshot& current, std::span<stats::Worker* const> workers);
  // Some source has a new set.
  void changed() { keeper_.changed(); }
  // Whether each source, of routes too, has had its first list.
  bool listed() const;
  // Objects of the Kubernetes API that could not be read, since its settings are what they are.
  uint64_t unreadable() const;
  // Whether the last update of some source was refused.
  bool any_refused() const;
  const std::vector<std::unique_ptr<discovery::Source>>& all() const { return sources_; }

 private:
  // Makes, keeps or drops the cluster and the resolver, as the configuration has it.
  // Made again only when the routes have changed: there may be thousands. Ports never change.
  const discovery::Reachability& reach_of(const config::Snapshot& snapshot) const;
  void choose_cluster(const loader::Loaded& loaded);
  void choose_resolver(const loader::Loaded& loaded);
  std::unique_ptr<discovery::dns::DnsSource> make_dns(discovery::dns::Target target,
                                                      discovery::EndpointSet first,
                                                      discovery::Source::Clock::duration age);
  // Whether the source asks the cluster or the resolver of now.
  bool goes_on(const discovery::Source& source) const;
  std::unique_ptr<discovery::Source> make(const loader::ServiceEndpoints& endpoints,
                                          const config::Startup& startup);

  boost::asio::io_context& io_;
  discovery::FileWatcher& watcher_;
  std::shared_ptr<discovery::kubernetes::Cluster> cluster_;  // nullptr: no service needs it
  std::shared_ptr<discovery::dns::Resolver> resolver_;       // as well
  discovery::dns::Settings dns_;                             // of the resolver
  OnUpdate on_update_;
  std::vector<std::unique_ptr<discovery::Source>> sources_;
  std::map<const discovery::Source*, size_t> services_;  // the index of each source
  std::map<uint32_t, uint64_t>
      failures_;  // by slot: connects to pods that failed, at the last look
  EndpointKeeper keeper_;
  RouteLearner route_learner_;
  mutable std::optional<discovery::Reachability> reach_;  // of the routes below
  mutable config::SharedList<config::LearnedRoute> reach_routes_;
};

}  // namespace sluice::control
