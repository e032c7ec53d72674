#include "control/route_learner.h"

#include <gtest/gtest.h>

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

TEST_F(UsableRoutes, the_network_of_a_port_needs_no_gateway) {
  EXPECT_EQ(
      usable({gateway("198.18.1.0/24", "198.18.1.101"), gateway("198.18.1.128/25", "198.18.1.101"),
              gateway("198.18.0.0/16", "198.18.1.101")}),
      "198.18.0.0/16 via 198.18.1.101 at 1");
}

}  // namespace
}  // namespace sluice::control
