#include "nic/numa.h"

#include <gtest/gtest.h>

namespace sluice::nic {
namespace {

TEST(Numa, pools_lie_on_the_node_of_the_ports) {
  EXPECT_EQ(pool_node(std::vector<PortNode>{{"north", 1}, {"south", 1}}, 0), 1);
  EXPECT_EQ(pool_node(std::vector<PortNode>{{"north", kAnyNode}, {"south", 1}}, 0), 1);
}

TEST(Numa, pools_lie_on_the_workers_node_where_ports_are_on_several_or_say_nothing) {
  EXPECT_EQ(pool_node(std::vector<PortNode>{{"north", 0}, {"south", 1}}, 1), 1);
  EXPECT_EQ(pool_node(std::vector<PortNode>{{"north", kAnyNode}}, 1), 1);
  EXPECT_EQ(pool_node({}, kAnyNode), kAnyNode);
}

TEST(Numa, a_worker_on_another_node_than_a_port_is_warned_about) {
  const std::vector<PortNode> ports{{"north", 0}, {"south", 1}, {"tap", kAnyNode}};
  const auto far = far_ports(3, 17, 1, ports);
  ASSERT_EQ(far.size(), 1u);
  EXPECT_EQ(far[0],
            "worker 3 runs on core 17 of NUMA node 1, and port 'north' is connected to node 0: "
            "each packet crosses between the nodes. Give worker_cores a core of node 0.");
  EXPECT_TRUE(far_ports(3, 17, kAnyNode, ports).empty());
}

}  // namespace
}  // namespace sluice::nic
