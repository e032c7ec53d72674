#include "discovery/kubernetes/nodes.h"

#include "support.h"

namespace sluice::discovery::kubernetes {
namespace {

std::string node(const std::string& name, const std::string& networks,
                 const std::string& addresses) {
  return R"({"metadata":{"name":")" + name + R"("},"spec":{"podCIDRs":)" + networks +
         R"(},"status":{"addresses":)" + addresses + "}}";
}
std::string internal(const std::string& address) {
  return R"({"type":"InternalIP","address":")" + address + "\"}";
}

struct NodesTest : testing::Test {
  std::string routes() const {
    std::string out;
    for (const GatewayRoute& r : nodes.routes())
      out += (out.empty() ? "" : ", ") + r.to.str() + " via " + r.via.str();
    return out;
  }
  void list(const std::vector<std::string>& all) {
    nodes.begin_list();
    for (const std::string& text : all) nodes.listed(object(text));
    nodes.end_list();
  }
  std::string log;
  Nodes nodes{[this](const std::string& why) { log += why + "\n"; }};
  const std::string a = node("a", R"(["10.244.1.0/24"])", "[" + internal("192.168.0.1") + "]");
};

TEST_F(NodesTest, each_network_of_pods_is_behind_the_nodes_address_of_its_family) {
  list({node("b", R"(["10.244.2.0/24","fd00:2::/64"])",
             R"([{"type":"Hostname","address":"b"},{"type":"ExternalIP","address":"1.2.3.4"},)" +
                 internal("fd00::2") + "," + internal("192.168.0.2") + "," +
                 internal("192.168.0.9") + "]"),
        a});
  EXPECT_EQ(routes(),
            "10.244.1.0/24 via 192.168.0.1, 10.244.2.0/24 via 192.168.0.2, "
            "fd00:2::/64 via fd00::2");
}

TEST_F(NodesTest, a_node_without_networks_or_address_has_no_route) {
  list({R"({"metadata":{"name":"c"},"spec":{"podCIDRs":null},"status":{"addresses":null}})",
        R"({"metadata":{"name":"d"}})",
        R"({"metadata":{"name":"e"},"spec":{"podCIDR":"10.244.5.0/24"},"status":{"addresses":[)" +
            internal("192.168.0.5") + "]}}"});
  EXPECT_EQ(routes(), "10.244.5.0/24 via 192.168.0.5");
  EXPECT_EQ(log, "");
}

TEST_F(NodesTest, news_change_one_node) {
  list({a});
  nodes.changed(object(node("b", R"(["10.244.2.0/24"])", "[" + internal("192.168.0.2") + "]")));
  nodes.changed(object(node("a", R"(["10.244.1.0/24"])", "[" + internal("192.168.0.7") + "]")));
  EXPECT_EQ(routes(), "10.244.1.0/24 via 192.168.0.7, 10.244.2.0/24 via 192.168.0.2");
  nodes.deleted(object(R"({"metadata":{"name":"a"}})"));
  EXPECT_EQ(routes(), "10.244.2.0/24 via 192.168.0.2");
}

TEST_F(NodesTest, one_that_cannot_be_read_keeps_its_last_good_form_alone) {
  list({a});
  nodes.changed(object(node("a", R"(["none"])", "[" + internal("192.168.0.1") + "]")));
  EXPECT_EQ(routes(), "10.244.1.0/24 via 192.168.0.1");
  EXPECT_EQ(log, "Node a cannot be read, and stays as it was: \"none\" is not a network\n");
  list({node("a", "7", "[]"),
        node("b", R"(["10.244.2.0/24"])", "[" + internal("192.168.0.2") + "]")});
  EXPECT_EQ(routes(), "10.244.1.0/24 via 192.168.0.1, 10.244.2.0/24 via 192.168.0.2");
  list({});
  EXPECT_EQ(routes(), "");
}

TEST_F(NodesTest, a_list_that_breaks_off_changes_nothing) {
  list({a});
  nodes.begin_list();
  nodes.begin_list();
  EXPECT_EQ(routes(), "10.244.1.0/24 via 192.168.0.1");
}

}  // namespace
}  // namespace sluice::discovery::kubernetes
