#include "control/route_learner.h"

#include <chrono>

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include "discovery/saved_routes.h"
#include "discovery/state_file.h"
#include "support/configuration_files.h"

namespace sluice::control {
namespace {

discovery::GatewayRoute gateway(const char* to, const char* via) {
  return {*Prefix::parse(to), *Address::parse(via)};
}

struct UsableRoutes : testing::Test {
  UsableRoutes() {
    startup.ports.resize(2);
    startup.ports[0].addresses = {*Prefix::parse("198.18.0.2/24")};
    startup.ports[1].addresses = {*Prefix::parse("198.18.1.1/24"),
                                  *Prefix::parse("fd00:198:18:1::1/64")};
  }
  std::string usable(const std::vector<discovery::GatewayRoute>& all) const {
    std::string out;
    for (const config::LearnedRoute& r : usable_routes(all, startup))
      out += (out.empty() ? "" : ", ") + r.route.to.str() + " via " + r.route.via.str() + " at " +
             std::to_string(r.port);
    return out;
  }
  config::Startup startup;
};

TEST_F(UsableRoutes, a_gateway_is_a_neighbour_at_the_port_that_has_its_network) {
  EXPECT_EQ(usable({gateway("10.1.0.0/16", "198.18.1.101"), gateway("10.2.0.0/16", "198.18.0.1"),
                    gateway("fd00:2::/64", "fd00:198:18:1::101")}),
            "10.1.0.0/16 via 198.18.1.101 at 1, 10.2.0.0/16 via 198.18.0.1 at 0, "
            "fd00:2::/64 via fd00:198:18:1::101 at 1");
}

TEST_F(UsableRoutes, a_gateway_in_no_ports_network_is_of_no_use) {
  EXPECT_EQ(usable({gateway("10.1.0.0/16", "192.168.0.1")}), "");
}

TEST_F(UsableRoutes, an_address_of_sluices_own_is_no_gateway) {
  EXPECT_EQ(usable({gateway("10.1.0.0/16", "198.18.1.1"), gateway("10.2.0.0/16", "198.18.0.2"),
                    gateway("fd00:2::/64", "fd00:198:18:1::1")}),
            "");
}

TEST_F(UsableRoutes, the_network_of_a_port_needs_no_gateway) {
  EXPECT_EQ(
      usable({gateway("198.18.1.0/24", "198.18.1.101"), gateway("198.18.1.128/25", "198.18.1.101"),
              gateway("198.18.0.0/16", "198.18.1.101")}),
      "198.18.0.0/16 via 198.18.1.101 at 1");
}

// Routes that an earlier run has left in the directory.
struct SavedRoutesOfALearner : testing::Test {
  SavedRoutesOfALearner() {
    startup.ports.resize(1);
    startup.ports[0].addresses = {*Prefix::parse("198.18.1.1/24")};
    loaded.state_directory = files.path("");
    loaded.routes = {.nodes = true, .kernel = false};
    loaded.kubernetes.emplace();
    loaded.kubernetes->server.host = "127.0.0.1";
    loaded.kubernetes->server.port = 1;  // nobody listens
    discovery::write_state_file(
        files.path("routes.json"),
        discovery::saved_routes_text({.server = loaded.kubernetes->server.str(),
                                      .nodes = {gateway("10.244.1.0/24", "198.18.1.101")},
                                      .kernel = {gateway("10.9.0.0/16", "198.18.1.109")}}));
  }
  std::string text() const {
    std::string out;
    for (const config::LearnedRoute& r : learner.routes()) out += r.route.to.str() + ";";
    return out;
  }
  void turn(int milliseconds) {
    io.restart();
    io.run_for(std::chrono::milliseconds(milliseconds));
  }

  const test::Files files;
  boost::asio::io_context io;
  config::Startup startup;
  loader::Loaded loaded;
  int changes = 0;
  RouteLearner learner{io, [this] { ++changes; }};
};

TEST_F(SavedRoutesOfALearner, serve_a_start_without_api) {
  learner.remember(loaded, startup);
  EXPECT_EQ(text(), "10.244.1.0/24;") << "[routes] does not ask for those of the kernel";
  learner.follow(loaded, startup);
  turn(200);
  EXPECT_EQ(text(), "10.244.1.0/24;");
  EXPECT_EQ(changes, 0);
  EXPECT_FALSE(learner.listed());
}

TEST_F(SavedRoutesOfALearner, stay_in_the_file_until_their_place_has_been_read) {
  loaded.routes.kernel = true;
  learner.remember(loaded, startup);
  EXPECT_EQ(text(), "10.244.1.0/24;10.9.0.0/16;");
  learner.follow(loaded, startup);
  const auto nodes = [&] { return discovery::read_saved_routes(files.path("")).nodes.size(); };
  const auto kernel = [&] { return discovery::read_saved_routes(files.path("")).kernel; };
  const auto saved = kernel();
  for (int i = 0; i < 1'000 && kernel() == saved; ++i) turn(10);
  EXPECT_NE(kernel(), saved) << "the kernel of the test has no such route";
  EXPECT_EQ(nodes(), 1u);
}

TEST_F(SavedRoutesOfALearner, are_written_again_when_the_file_could_not_be_written) {
  learner.remember(loaded, startup);
  const auto later = files.path("later");  // not there yet
  loaded.state_directory = later;
  learner.follow(loaded, startup);
  turn(1'500);
  std::filesystem::create_directory(later);
  const auto written = [&] { return std::filesystem::exists(later / "routes.json"); };
  EXPECT_FALSE(written());
  for (int i = 0; i < 3'000 && !written(); ++i) turn(10);
  EXPECT_TRUE(written());
  EXPECT_EQ(discovery::read_saved_routes(later).nodes.size(), 1u);
}

TEST_F(SavedRoutesOfALearner, of_another_api_server_are_not_used) {
  loaded.kubernetes->server.port = 2;
  learner.remember(loaded, startup);
  EXPECT_EQ(text(), "");
}

TEST_F(SavedRoutesOfALearner, are_not_used_when_the_file_is_damaged) {
  discovery::write_state_file(files.path("routes.json"), "no checksum\n{}");
  learner.remember(loaded, startup);
  EXPECT_EQ(text(), "");
}

}  // namespace
}  // namespace sluice::control
