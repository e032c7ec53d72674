#include "discovery/kubernetes/kubernetes_source.h"

#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace sluice::discovery::kubernetes {

KubernetesSource::KubernetesSource(std::shared_ptr<Cluster> cluster, ServicePort port,
                                   EndpointSet first, Clock::duration age, MakeDns make_dns)
    : Source(std::move(first), age),
      cluster_(std::move(cluster)),
      port_(std::move(port)),
      make_dns_(std::move(make_dns)) {
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
  if (!cluster_->has_slices(port_.service)) {
    if (cluster_->listed(port_.service.name_space) && make_dns_)
      cluster_->watch_services(port_.service.name_space);
    if (follow_external_name()) return;
    // Endpoints of an earlier run may be those of an external name.
    if (!endpoints().empty() && !type_known()) return;
  }
  dns_.reset();
  external_error_.clear();
  use({.endpoints = cluster_->endpoints(port_),
       .errors = {},
       .warnings = {},
       .read = news.read,
       .triggers = news.triggers});
}

void KubernetesSource::use(const Update& update) {
  const bool changed = update.endpoints && *update.endpoints != endpoints();
  take(update);
  if (changed && deliver_) deliver_(update);
}

bool KubernetesSource::follow_external_name() {
  const auto found = cluster_->external_name(port_);
  if (!found || !make_dns_) return false;
  external_error_.clear();
  const std::string text = fmt::format("{}:{}", found->host, found->port.value_or(0));
  const auto target = dns::Target::parse(text);
  if (dns_ && target == dns_->target()) return true;
  dns_.reset();
  if (!found->port) {
    external_error_ = fmt::format("{} has type ExternalName, and no port \"{}\"",
                                  port_.service.str(), port_.port);
  } else if (!target) {
    external_error_ = fmt::format("{} has the externalName \"{}\", which is no name of DNS",
                                  port_.service.str(), found->host);
  } else {
    try {
      dns_ = make_dns_(*target);
      dns_->start([this](const Update& update) { use(update); });
    } catch (const std::runtime_error& e) {
      external_error_ = e.what();
    }
  }
  return true;
}

Source::Clock::duration KubernetesSource::age() const {
  if (dns_) return dns_->age();
  const auto heard = cluster_->heard(port_.service.name_space);
  return heard && cluster_->listed(port_.service.name_space) ? Clock::now() - *heard
                                                             : Source::age();
}

bool KubernetesSource::type_known() const {
  return !make_dns_ || cluster_->has_slices(port_.service) ||
         cluster_->services_known(port_.service.name_space);
}

bool KubernetesSource::listed() const {
  if (!endpoints().empty()) return true;
  if (dns_) return dns_->listed();
  return cluster_->listed(port_.service.name_space) && type_known();
}

std::string KubernetesSource::last_error() const {
  std::string error = cluster_->error(port_.service.name_space);
  if (!error.empty()) return error;
  if (!cluster_->listed(port_.service.name_space)) return "the API server has not answered yet";
  if (!external_error_.empty()) return external_error_;
  if (dns_) return dns_->last_error();
  error = cluster_->why_empty(port_);
  const std::string services = cluster_->services_error(port_.service.name_space);
  if (!error.empty() && !services.empty())
    error += fmt::format("; whether it has type ExternalName is not known: {}", services);
  return error;
}

}  // namespace sluice::discovery::kubernetes
