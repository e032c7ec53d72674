#pragma once
// Nodes as a kind: the networks of pods (spec.podCIDRs) and the address of the node that leads
// there (status.addresses, InternalIP). A Node that cannot be read keeps its last good form.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "discovery/kubernetes/kind.h"
#include "discovery/learned_route.h"

namespace sluice::discovery::kubernetes {

class Nodes : public Kind {
 public:
  // Called with the reason for each object that cannot be read.
  using Complain = std::function<void(const std::string& why)>;

  explicit Nodes(Complain complain) : complain_(std::move(complain)) {}

  void begin_list() override;
  void listed(const boost::json::object& object) override;
  void end_list() override;
  void changed(const boost::json::object& object) override;
  void deleted(const boost::json::object& object) override;

  // In the order of Nodes' names, kMostRoutes at most.
  std::vector<GatewayRoute> routes() const;

 private:
  using Routes = std::vector<GatewayRoute>;  // of one Node

  void complain(const std::string& node, const std::string& why);

  Complain complain_;
  std::map<std::string, Routes> nodes_;  // by name
  std::map<std::string, Routes> list_;
  std::set<std::string> kept_;  // of the list, though they could not be read; "": any
};

}  // namespace sluice::discovery::kubernetes
