#include "discovery/kubernetes/node_routes.h"

#include <utility>

namespace sluice::discovery::kubernetes {

NodeRoutes::NodeRoutes(boost::asio::io_context& io, ApiServer server, Log log, OnChange on_change)
    : server_(std::move(server)),
      on_change_(std::move(on_change)),
      nodes_(std::move(log)),
      reflector_(io, server_, "/api/v1/nodes", nodes_, [this] { on_progress(); }) {
  reflector_.start();
}

// Nodes report each few minutes that they live, so most news change no route.
void NodeRoutes::on_progress() {
  std::vector<GatewayRoute> next = nodes_.routes();
  const bool same = next == routes_ && listed() == told_listed_ && error() == told_error_;
  if (same) return;
  routes_ = std::move(next);
  told_listed_ = listed();
  told_error_ = error();
  on_change_();
}

}  // namespace sluice::discovery::kubernetes
