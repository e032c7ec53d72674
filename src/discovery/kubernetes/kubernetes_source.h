#pragma once
// The endpoints of a service of a Kubernetes cluster.

#include <memory>
#include <string>

#include "discovery/kubernetes/cluster.h"
#include "discovery/source.h"

namespace sluice::discovery::kubernetes {

class KubernetesSource : public Source, private Cluster::Subscriber {
 public:
  // `first`, of that age, stands until the cluster's first list is complete.
  KubernetesSource(std::shared_ptr<Cluster> cluster, ServicePort port, EndpointSet first,
                   Clock::duration age = {});
  ~KubernetesSource() override;

  void start(Deliver deliver) override;
  std::string name() const override { return "kubernetes " + port_.str(); }
  Clock::duration age() const override;
  // The API's state, or the reason why the service has no endpoints.
  std::string last_error() const override;
  // An API that is away changes nothing, and is no mistake in the configuration.
  bool refused() const override { return false; }
  bool listed() const override;
  // An empty list is worth keeping, too.
  bool kept() const override { return listed(); }

  const ServicePort& port() const { return port_; }
  const std::shared_ptr<Cluster>& cluster() const { return cluster_; }

 private:
  const ObjectKey& service() const override { return port_.service; }
  void on_change(const Cluster::News& news) override;

  std::shared_ptr<Cluster> cluster_;
  ServicePort port_;
  Deliver deliver_;
};

}  // namespace sluice::discovery::kubernetes
