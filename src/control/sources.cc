#include "control/sources.h"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "control/pod_changes.h"
#include "discovery/dns/dns_source.h"
#include "discovery/file_source.h"
#include "discovery/kubernetes/cluster.h"
#include "discovery/kubernetes/kubernetes_source.h"

namespace sluice::control {
namespace {

namespace dns = discovery::dns;
namespace kubernetes = discovery::kubernetes;
using kubernetes::KubernetesSource;

void log(const kubernetes::Cluster::Line& line) {
  spdlog::log(line.good ? spdlog::level::info : spdlog::level::warn, "{}", line.text);
}

}  // namespace

void Sources::fill(loader::Loaded& loaded) {
  const discovery::SavedEndpoints& saved = keeper_.look_into(loaded.state_directory);
  std::map<std::string, const discovery::Source*> running;
  for (const auto& s : sources_) running.emplace(s->name(), s.get());
  route_learner_.remember(loaded, loaded.snapshot->startup);
  loaded.snapshot->learned_routes = route_learner_.routes();
  const discovery::Reachability& reach = reach_of(*loaded.snapshot);
  for (size_t i = 0; i < loaded.endpoints.size(); ++i) {
    loader::ServiceEndpoints& e = loaded.endpoints[i];
    const std::string name = e.asked();
    if (name.empty()) {
      // They stand in the configuration, or in a file of its own.
    } else if (const auto same = running.find(name); same != running.end()) {
      e.endpoints = same->second->endpoints();
      e.age = same->second->age();
    } else if (e.kubernetes && cluster_ && cluster_->listed(e.kubernetes->service.name_space)) {
      e.endpoints = cluster_->endpoints(*e.kubernetes);
    } else if (const auto kept = saved.find(name); kept != saved.end()) {
      e.endpoints = kept->second.endpoints;
      e.age = std::chrono::system_clock::now() - kept->second.confirmed;
    }
    use_endpoints(loaded.snapshot->services[i], e.endpoints, reach);
  }
}

const discovery::Reachability& Sources::reach_of(const config::Snapshot& snapshot) const {
  if (!reach_ || !reach_routes_.shares_with(snapshot.learned_routes)) {
    reach_.emplace(snapshot.startup, snapshot.learned_routes);
    reach_routes_ = snapshot.learned_routes;
  }
  return *reach_;
}

void Sources::choose_cluster(const loader::Loaded& loaded) {
  const bool needed =
      loaded.kubernetes && std::any_of(loaded.endpoints.begin(), loaded.endpoints.end(),
                                       [](const auto& e) { return e.kubernetes.has_value(); });
  if (!needed) {
    cluster_.reset();
  } else if (!cluster_ || cluster_->settings() != *loaded.kubernetes) {
    // Sources hold the cluster that they ask, so the previous one lives until they are gone.
    cluster_ = std::make_shared<kubernetes::Cluster>(io_, *loaded.kubernetes, log);
    cluster_->start();
  }
}

void Sources::choose_resolver(const loader::Loaded& loaded) {
  if (dns_ != loaded.dns) resolver_.reset();
  dns_ = loaded.dns;
}

std::unique_ptr<dns::DnsSource> Sources::make_dns(dns::Target target, discovery::EndpointSet first,
                                                  discovery::Source::Clock::duration age) {
  if (!resolver_) resolver_ = std::make_shared<dns::Resolver>(io_, dns_);
  return std::make_unique<dns::DnsSource>(io_, resolver_, dns_.max_ttl, std::move(target),
                                          std::move(first), age);
}

bool Sources::goes_on(const discovery::Source& source) const {
  if (const auto* k = dynamic_cast<const KubernetesSource*>(&source))
    return k->cluster() == cluster_ && (!k->resolver() || k->resolver() == resolver_);
  const auto* d = dynamic_cast<const dns::DnsSource*>(&source);
  return d && d->resolver() == resolver_;
}

std::unique_ptr<discovery::Source> Sources::make(const loader::ServiceEndpoints& e,
                                                 const config::Startup& startup) {
  if (!e.asked().empty() && keeper_.had(e.asked()) && !e.endpoints.empty())
    spdlog::warn("{}: {} endpoint(s) as they were {} s ago, until there is an answer", e.asked(),
                 e.endpoints.size(),
                 std::chrono::duration_cast<std::chrono::seconds>(e.age).count());
  if (e.kubernetes)
    return std::make_unique<KubernetesSource>(
        cluster_, *e.kubernetes, e.endpoints, e.age,
        [this](dns::Target target) { return make_dns(std::move(target), {}, {}); });
  if (e.dns) return make_dns(*e.dns, e.endpoints, e.age);
  if (e.file.empty()) return std::make_unique<discovery::StaticSource>(e.endpoints);
  const auto read = [startup](const std::filesystem::path& file) {
    return loader::read_endpoints_file(file, startup);
  };
  return std::make_unique<discovery::FileSource>(watcher_, e.file, read, e.endpoints);
}

void Sources::replace(const loader::Loaded& loaded, const config::Startup& startup,
                      OnUpdate on_update) {
  keeper_.use(loaded.state_directory);
  route_learner_.follow(loaded, startup);
  choose_cluster(loaded);
  on_update_ = std::move(on_update);
  choose_resolver(loaded);
  // Two services may have the same endpoints, and then have a source each.
  std::multimap<std::string, std::unique_ptr<discovery::Source>*> running;
  for (auto& s : sources_)
    if (goes_on(*s)) running.emplace(s->name(), &s);
  std::vector<std::unique_ptr<discovery::Source>> next;
  std::vector<discovery::Source*> fresh;
  for (const loader::ServiceEndpoints& e : loaded.endpoints) {
    const auto same = running.find(e.asked());
    if (same != running.end()) {
      next.push_back(std::move(*same->second));
      running.erase(same);
    } else {
      fresh.push_back(next.emplace_back(make(e, startup)).get());
    }
  }
  // The previous sources are destroyed only when their successors watch the same directories.
  std::swap(sources_, next);
  services_.clear();
  for (size_t i = 0; i < sources_.size(); ++i) services_[sources_[i].get()] = i;
  keeper_.changed();
  for (discovery::Source* s : fresh)
    s->start([this, s](const discovery::Update& u) { on_update_(services_.at(s), u); });
}

std::vector<uint32_t> Sources::merge(config::Snapshot& snapshot,
                                     const std::set<std::string>& names) const {
  const discovery::Reachability& reach = reach_of(snapshot);
  std::vector<uint32_t> changed;
  for (uint32_t i = 0; i < sources_.size(); ++i)
    if (names.contains(snapshot.services[i].name) &&
        use_endpoints(snapshot.services[i], sources_[i]->endpoints(), reach))
      changed.push_back(i);
  return changed;
}

void Sources::merge_routes(config::Snapshot& snapshot) const {
  snapshot.learned_routes = route_learner_.routes();
  const discovery::Reachability& reach = reach_of(snapshot);
  for (size_t i = 0; i < sources_.size(); ++i)
    use_endpoints(snapshot.services[i], sources_[i]->endpoints(), reach);
}

void Sources::look_at_failures(const config::Snapshot& current,
                               std::span<stats::Worker* const> workers) {
  std::map<uint32_t, uint64_t> now;
  for (size_t i = 0; i < sources_.size(); ++i) {
    if (!sources_[i]->asks_after_failures()) continue;
    bool failed = false;
    for (const config::Pod& p : current.services[i].pods) {
      uint64_t& n = now[p.slot];
      for (const stats::Worker* w : workers) n += w->pod(p.slot).connect_failures.get();
      const auto before = failures_.find(p.slot);
      failed = failed || (before != failures_.end() && before->second != n);
    }
    if (failed) sources_[i]->on_connect_failure();
  }
  failures_ = std::move(now);
}

bool Sources::listed() const {
  return route_learner_.listed() &&
         std::all_of(sources_.begin(), sources_.end(), [](const auto& s) { return s->listed(); });
}

uint64_t Sources::unreadable() const {
  return cluster_ ? cluster_->unreadable() : 0;
}

bool Sources::any_refused() const {
  return std::any_of(sources_.begin(), sources_.end(), [](const auto& s) { return s->refused(); });
}

}  // namespace sluice::control
