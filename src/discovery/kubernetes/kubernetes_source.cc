#include "discovery/kubernetes/kubernetes_source.h"

#include <utility>

#include <fmt/format.h>

namespace sluice::discovery::kubernetes {

KubernetesSource::KubernetesSource(std::shared_ptr<Cluster> cluster, ServicePort port,
                                   EndpointSet first, Clock::duration age)
    : Source(std::move(first), age), cluster_(std::move(cluster)), port_(std::move(port)) {
  cluster_->subscribe(*this);
}

KubernetesSource::~KubernetesSource() {
  cluster_->unsubscribe(*this);
}

void KubernetesSource::start(Deliver deliver) {
  deliver_ = std::move(deliver);
  if (cluster_->listed(port_.service.name_space)) on_change({Clock::now(), {}});
}

void KubernetesSource::on_change(const Cluster::News& news) {
  Update update{.endpoints = cluster_->endpoints(port_),
                .errors = {},
                .warnings = {},
                .read = news.read,
                .triggers = news.triggers};
  const bool changed = *update.endpoints != endpoints();
  take(update);
  if (changed && deliver_) deliver_(update);
}

Source::Clock::duration KubernetesSource::age() const {
  const auto heard = cluster_->heard(port_.service.name_space);
  return heard && cluster_->listed(port_.service.name_space) ? Clock::now() - *heard
                                                             : Source::age();
}

bool KubernetesSource::listed() const {
  return !endpoints().empty() || cluster_->listed(port_.service.name_space);
}

std::string KubernetesSource::last_error() const {
  std::string error = cluster_->error(port_.service.name_space);
  if (!error.empty()) return error;
  if (!cluster_->listed(port_.service.name_space)) return "the API server has not answered yet";
  return cluster_->why_empty(port_);
}

}  // namespace sluice::discovery::kubernetes
