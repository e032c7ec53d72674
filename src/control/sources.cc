#include "control/sources.h"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "discovery/file_source.h"
#include "discovery/kubernetes/cluster.h"
#include "discovery/kubernetes/kubernetes_source.h"

namespace sluice::control {
namespace {

namespace kubernetes = discovery::kubernetes;
using kubernetes::KubernetesSource;

void log(const kubernetes::Cluster::Line& line) {
  spdlog::log(line.good ? spdlog::level::info : spdlog::level::warn, "{}", line.text);
}

}  // namespace

void Sources::fill(loader::Loaded& loaded) const {
  std::map<kubernetes::ServicePort, const discovery::Source*> running;
  for (const auto& s : sources_)
    if (const auto* k = dynamic_cast<const KubernetesSource*>(s.get()))
      running.emplace(k->port(), k);
  for (size_t i = 0; i < loaded.endpoints.size(); ++i) {
    loader::ServiceEndpoints& e = loaded.endpoints[i];
    if (!e.kubernetes) continue;
    if (const auto same = running.find(*e.kubernetes); same != running.end()) {
      e.endpoints = same->second->endpoints();
    } else if (cluster_ && cluster_->listed(e.kubernetes->service.name_space)) {
      e.endpoints = cluster_->endpoints(*e.kubernetes);
    }
    loaded.snapshot->services[i].pods = discovery::pods_of(e.endpoints);
  }
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

std::unique_ptr<discovery::Source> Sources::make(const loader::ServiceEndpoints& e,
                                                 const config::Startup& startup) {
  if (e.kubernetes) return std::make_unique<KubernetesSource>(cluster_, *e.kubernetes, e.endpoints);
  if (e.file.empty()) return std::make_unique<discovery::StaticSource>(e.endpoints);
  const auto read = [startup](const std::filesystem::path& file) {
    return loader::read_endpoints_file(file, startup);
  };
  return std::make_unique<discovery::FileSource>(watcher_, e.file, read, e.endpoints);
}

void Sources::replace(const loader::Loaded& loaded, const config::Startup& startup,
                      OnUpdate on_update) {
  choose_cluster(loaded);
  on_update_ = std::move(on_update);
  // Two services may have the same endpoints, and then have a source each.
  std::multimap<kubernetes::ServicePort, std::unique_ptr<discovery::Source>*> running;
  for (auto& s : sources_)
    if (const auto* k = dynamic_cast<const KubernetesSource*>(s.get());
        k && k->cluster() == cluster_)
      running.emplace(k->port(), &s);
  std::vector<std::unique_ptr<discovery::Source>> next;
  std::vector<discovery::Source*> fresh;
  for (const loader::ServiceEndpoints& e : loaded.endpoints) {
    const auto same = e.kubernetes ? running.find(*e.kubernetes) : running.end();
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
  for (discovery::Source* s : fresh)
    s->start([this, s](const discovery::Update& u) { on_update_(services_.at(s), u); });
}

void Sources::merge(config::Snapshot& snapshot) const {
  for (size_t i = 0; i < sources_.size(); ++i)
    snapshot.services[i].pods = discovery::pods_of(sources_[i]->endpoints());
}

bool Sources::any_refused() const {
  return std::any_of(sources_.begin(), sources_.end(), [](const auto& s) { return s->refused(); });
}

}  // namespace sluice::control
