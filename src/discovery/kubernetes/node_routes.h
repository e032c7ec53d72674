#pragma once
// The routes that a cluster's Nodes amount to: a list and a watch of them.

#include <functional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "discovery/kubernetes/api_server.h"
#include "discovery/kubernetes/nodes.h"
#include "discovery/kubernetes/reflector.h"

namespace sluice::discovery::kubernetes {

class NodeRoutes {
 public:
  using Log = std::function<void(const std::string& line)>;
  using OnChange = std::function<void()>;

  // on_change: routes() or error() has changed. `io` outlives this. Begins at once.
  NodeRoutes(boost::asio::io_context& io, ApiServer server, Log log, OnChange on_change);
  NodeRoutes(const NodeRoutes&) = delete;

  // A bad or absent API changes nothing: they stay as they were.
  const std::vector<GatewayRoute>& routes() const { return routes_; }
  const std::string& error() const { return reflector_.state().error(); }
  bool listed() const { return reflector_.state().listed(); }
  const ApiServer& server() const { return server_; }

 private:
  void on_progress();

  ApiServer server_;
  OnChange on_change_;
  Nodes nodes_;
  std::vector<GatewayRoute> routes_;
  bool told_listed_ = false;
  std::string told_error_;
  Reflector reflector_;
};

}  // namespace sluice::discovery::kubernetes
