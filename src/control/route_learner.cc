#include "control/route_learner.h"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

namespace sluice::control {

std::vector<config::LearnedRoute> usable_routes(const std::vector<discovery::GatewayRoute>& all,
                                                const config::Startup& startup) {
  std::vector<config::LearnedRoute> out;
  for (const discovery::GatewayRoute& r : all)
    for (size_t port = 0; port < startup.ports.size(); ++port) {
      const auto& networks = startup.ports[port].addresses;
      const auto holds = [&](const Prefix& p) { return p.contains(r.via); };
      // A node tells of its own network as well: its address there is no gateway to it.
      const bool own = std::any_of(networks.begin(), networks.end(), [&](const Prefix& p) {
        return p.length <= r.to.length && p.contains(r.to.address);
      });
      if (own || std::none_of(networks.begin(), networks.end(), holds)) continue;
      out.push_back({{r.to, r.via}, static_cast<uint16_t>(port)});
      break;
    }
  return out;
}

void RouteLearner::follow(const loader::Loaded& loaded, const config::Startup& startup) {
  startup_ = startup;
  const bool nodes = loaded.routes.nodes && loaded.kubernetes;
  if (!nodes) {
    nodes_.reset();
  } else if (!nodes_ || nodes_->server() != loaded.kubernetes->server) {
    nodes_ = std::make_unique<discovery::kubernetes::NodeRoutes>(
        io_, loaded.kubernetes->server, [](const std::string& line) { spdlog::warn("{}", line); },
        [this] { change(); });
  }
  if (!loaded.routes.kernel) {
    kernel_.reset();
  } else if (!kernel_) {
    kernel_ = std::make_unique<discovery::KernelRoutes>(io_, [this] { change(); });
  }
  change();
}

bool RouteLearner::listed() const {
  return (!nodes_ || nodes_->listed()) && (!kernel_ || kernel_->listed());
}

void RouteLearner::log_error(std::string& logged, const std::string& error) {
  if (error == logged) return;
  logged = error;
  if (!error.empty()) spdlog::warn("{}; the last routes stay", error);
}

void RouteLearner::change() {
  using Gateways = std::vector<discovery::GatewayRoute>;
  log_error(nodes_error_, nodes_ && !nodes_->error().empty() ? "Nodes: " + nodes_->error() : "");
  log_error(kernel_error_, kernel_ ? kernel_->error() : "");
  if (!nodes_ || nodes_->listed()) node_routes_ = nodes_ ? nodes_->routes() : Gateways();
  if (!kernel_ || kernel_->listed()) kernel_routes_ = kernel_ ? kernel_->routes() : Gateways();
  std::vector<config::LearnedRoute> next = usable_routes(node_routes_, startup_);
  for (const config::LearnedRoute& r : usable_routes(kernel_routes_, startup_)) next.push_back(r);
  if (next == routes_.get()) return;
  spdlog::info("{} learned route(s), before {}", next.size(), routes_.size());
  routes_ = config::SharedList<config::LearnedRoute>(std::move(next));
  on_change_();
}

}  // namespace sluice::control
