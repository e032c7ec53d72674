#include "control/route_learner.h"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

namespace sluice::control {

std::vector<config::LearnedRoute> usable_routes(const std::vector<discovery::GatewayRoute>& all,
                                                const config::Startup& startup) {
  std::vector<config::LearnedRoute> out;
  const auto is_own_address = [&](const Address& a) {
    for (const auto& port : startup.ports)
      for (const Prefix& p : port.addresses)
        if (p.address == a) return true;
    return false;
  };
  for (const discovery::GatewayRoute& r : all) {
    if (is_own_address(r.via)) continue;
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
  }
  return out;
}

void RouteLearner::remember(const loader::Loaded& loaded, const config::Startup& startup) {
  if (following_ || loaded.state_directory.empty()) return;
  try {
    saved_ = discovery::read_saved_routes(loaded.state_directory);
    saved_in_ = loaded.state_directory;
  } catch (const std::exception& e) {
    spdlog::error("saved routes are not used: {}", e.what());
    return;
  }
  startup_ = startup;
  if (loaded.routes.nodes && loaded.kubernetes && loaded.kubernetes->server.str() == saved_.server)
    node_routes_ = saved_.nodes;
  if (loaded.routes.kernel) kernel_routes_ = saved_.kernel;
  if (choose())
    spdlog::warn("{} learned route(s) as they were when Sluice ran last, until there is an answer",
                 routes_.size());
}

void RouteLearner::follow(const loader::Loaded& loaded, const config::Startup& startup) {
  following_ = true;
  startup_ = startup;
  directory_ = loaded.state_directory;
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
  write_soon();  // the directory may be another one
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
  if (nodes_ && nodes_->listed()) server_ = nodes_->server().str();
  write_soon();
  const size_t before = routes_.size();
  if (!choose()) return;
  spdlog::info("{} learned route(s), before {}", routes_.size(), before);
  on_change_();
}

bool RouteLearner::choose() {
  std::vector<config::LearnedRoute> next = usable_routes(node_routes_, startup_);
  for (const config::LearnedRoute& r : usable_routes(kernel_routes_, startup_)) next.push_back(r);
  if (next == routes_.get()) return false;
  routes_ = config::SharedList<config::LearnedRoute>(std::move(next));
  return true;
}

// A place that has not been read yet keeps what the file has of it.
void RouteLearner::write_within(std::chrono::seconds time) {
  if (write_due_ || directory_.empty()) return;
  write_due_ = true;
  write_timer_.expires_after(time);
  write_timer_.async_wait([this](const boost::system::error_code& e) {
    if (e) return;
    write_due_ = false;
    discovery::SavedRoutes next = saved_;
    if (nodes_ && nodes_->listed()) {
      next.server = server_;
      next.nodes = node_routes_;
    }
    if (kernel_ && kernel_->listed()) next.kernel = kernel_routes_;
    if ((next == saved_ && directory_ == saved_in_) || directory_.empty()) return;
    saved_ = next;
    saved_in_ = directory_;
    writer_.write(
        directory_ / discovery::kSavedRoutesFile,
        [next = std::move(next)] { return discovery::saved_routes_text(next); },
        [this] {
          saved_in_.clear();  // no directory has them
          write_within(kAgain);
        });
  });
}

}  // namespace sluice::control
