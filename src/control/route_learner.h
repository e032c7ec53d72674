#pragma once
// The routes that Sluice finds out by itself, as [routes] has it: those of a cluster's Nodes, and
// those of the kernel. A route is used if a port has a network with its gateway. With
// `state_directory` the last good routes are kept there, and used until their place is read.

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "config/snapshot.h"
#include "control/state_writer.h"
#include "discovery/kernel_routes.h"
#include "discovery/kubernetes/node_routes.h"
#include "discovery/saved_routes.h"
#include "loader/load.h"

namespace sluice::control {

class RouteLearner {
 public:
  // on_change: routes() may have changed. `io` outlives this.
  RouteLearner(boost::asio::io_context& io, std::function<void()> on_change)
      : io_(io),
        on_change_(std::move(on_change)),
        write_timer_(io),
        writer_(io, "learned routes") {}

  // A configuration that may come into use: reads the routes that its directory has, unless the
  // directory is in use already. Before the first follow() routes() has them then.
  void remember(const loader::Loaded& loaded, const config::Startup& startup);

  // Learns as this configuration says. What is learned from the same place goes on.
  void follow(const loader::Loaded& loaded, const config::Startup& startup);

  // Those of the Nodes first. The same list until something changes.
  const config::SharedList<config::LearnedRoute>& routes() const { return routes_; }
  // Each place has been read once.
  bool listed() const;

 private:
  // A change is written after this time, with those that follow it.
  static constexpr std::chrono::seconds kDelay{1};
  // And again after this time, when the file could not be written.
  static constexpr std::chrono::seconds kAgain{5};

  void change();
  // Makes routes_ anew. False: it stays as it was.
  bool choose();
  void write_soon() { write_within(kDelay); }
  void write_within(std::chrono::seconds time);
  void log_error(std::string& logged, const std::string& error);

  boost::asio::io_context& io_;
  std::function<void()> on_change_;
  std::unique_ptr<discovery::kubernetes::NodeRoutes> nodes_;  // nullptr: not wanted
  std::unique_ptr<discovery::KernelRoutes> kernel_;           // as well
  std::string nodes_error_, kernel_error_;                    // that the log has
  config::Startup startup_;
  // The last of each that were whole: a new server's first list may take a while.
  std::vector<discovery::GatewayRoute> node_routes_, kernel_routes_;
  config::SharedList<config::LearnedRoute> routes_;

  std::filesystem::path directory_;  // empty: nothing is kept
  discovery::SavedRoutes saved_;     // that the directory has, as far as it is known
  std::filesystem::path saved_in_;
  std::string server_;  // whose Nodes node_routes_ are
  bool following_ = false;
  boost::asio::steady_timer write_timer_;
  bool write_due_ = false;
  StateWriter writer_;
};

// The routes whose gateways are in networks of ports, without those to networks of ports. An
// address of Sluice's own is no gateway.
std::vector<config::LearnedRoute> usable_routes(const std::vector<discovery::GatewayRoute>& all,
                                                const config::Startup& startup);

}  // namespace sluice::control
