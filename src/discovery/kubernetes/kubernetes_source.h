#pragma once
// The endpoints of a service of a Kubernetes cluster. Those of a service of type ExternalName are
// the addresses of its name.

#include <functional>
#include <memory>
#include <string>

#include "discovery/dns/dns_source.h"
#include "discovery/kubernetes/cluster.h"
#include "discovery/source.h"

namespace sluice::discovery::kubernetes {

class KubernetesSource : public Source, private Cluster::Subscriber {
 public:
  // Makes the source for an external name. May throw std::runtime_error.
  using MakeDns = std::function<std::unique_ptr<dns::DnsSource>(dns::Target target)>;

  // `first`, of that age, stands until the cluster's first list is complete.
  KubernetesSource(std::shared_ptr<Cluster> cluster, ServicePort port, EndpointSet first,
                   Clock::duration age = {}, MakeDns make_dns = {});
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
  void on_connect_failure() override { dns_->on_connect_failure(); }
  bool asks_after_failures() const override { return dns_ != nullptr; }

  const ServicePort& port() const { return port_; }
  const std::shared_ptr<Cluster>& cluster() const { return cluster_; }
  // Of the external name; nullptr: there is none.
  std::shared_ptr<dns::Resolver> resolver() const { return dns_ ? dns_->resolver() : nullptr; }

 private:
  const ObjectKey& service() const override { return port_.service; }
  void on_change(const Cluster::News& news) override;
  void use(const Update& update);
  // Whether it is a service of type ExternalName.
  bool type_known() const;
  // Asks DNS from now on, if it is a service of type ExternalName. False: it is none.
  bool follow_external_name();

  std::shared_ptr<Cluster> cluster_;
  ServicePort port_;
  MakeDns make_dns_;
  Deliver deliver_;
  std::unique_ptr<dns::DnsSource> dns_;
  std::string external_error_;
};

}  // namespace sluice::discovery::kubernetes
