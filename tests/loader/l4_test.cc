// The keys of L4 listeners, their flows and their source addresses.

#include <gtest/gtest.h>

#include "loader/load.h"
#include "support/configuration_files.h"

namespace sluice::loader {
namespace {

class L4Keys : public testing::Test {
 protected:
  // A second listener with these keys, and a first port with those.
  Loaded load_with(const std::string& listener, const std::string& port = "",
                   const std::string& root = "") {
    std::string text = files.config(R"([[listener]]
name = "other"
address = "198.18.0.10:53"
service = "echo"
)" + listener + root);
    const std::string before = "profile = \"nic.toml\"\n";
    text.replace(text.find(before), before.size(), before + port);
    files.write("sluiced.toml", text);
    return load(files.path("sluiced.toml"));
  }
  std::string mistake(const std::string& listener, const std::string& port = "") {
    const Loaded l = load_with(listener, port);
    return l.mistakes.empty() ? "" : l.mistakes.front().str();
  }
  void expect_mistake(const std::string& part, const std::string& listener,
                      const std::string& port = "") {
    const std::string said = mistake(listener, port);
    EXPECT_NE(said.find(part), std::string::npos) << said;
  }

  test::Files files;
};

TEST_F(L4Keys, become_part_of_the_snapshot) {
  const Loaded l =
      load_with("protocol = \"udp\"\nmode = \"nat\"\nnew_flows = 1000\nnew_flows_per_source = 10\n",
                "snat_addresses = [\"198.18.0.20\", \"198.18.0.21\"]\n",
                "[memory]\nflows = 1024\n[timeouts]\nflow_opening_timeout = \"5s\"\n"
                "flow_established_timeout = \"1h\"\nflow_closing_timeout = "
                "\"3s\"\nflow_udp_timeout = \"9s\"\n");
  ASSERT_TRUE(l.snapshot) << l.mistakes.front().str();
  const config::Listener& listener = l.snapshot->listeners.at(1);
  EXPECT_EQ(listener.protocol, config::Protocol::kUdp);
  EXPECT_EQ(listener.l4, (config::L4Listener{.new_flows = 1000, .new_flows_per_source = 10}));
  EXPECT_EQ(l.snapshot->startup.ports[0].snat_addresses,
            (std::vector<Address>{*Address::parse("198.18.0.20"), *Address::parse("198.18.0.21")}));
  EXPECT_EQ(l.snapshot->startup.memory.flows, 1024u);
  EXPECT_EQ(l.snapshot->flow_timeouts,
            (config::FlowTimeouts{.opening = 5s, .established = 1h, .closing = 3s, .udp = 9s}));
}

TEST_F(L4Keys, are_of_l4_listeners_alone) {
  expect_mistake("mode is of listeners with protocol = \"tcp\" or \"udp\"",
                 "protocol = \"h2c\"\nmode = \"nat\"\n");
  expect_mistake("see no requests", "protocol = \"tcp\"\nvia = \"a\"\n");
}

TEST_F(L4Keys, name_the_modes_that_there_are) {
  expect_mistake("mode = \"fast\" is unknown; allowed: nat",
                 "protocol = \"tcp\"\nmode = \"fast\"\n");
}

TEST_F(L4Keys, relay_is_a_mode_of_tcp) {
  const Loaded l = load_with("protocol = \"tcp\"\nmode = \"relay\"\n", "",
                             "[timeouts]\nrelay_idle_timeout = \"5m\"\n");
  ASSERT_TRUE(l.snapshot) << l.mistakes.front().str();
  EXPECT_TRUE(l.snapshot->listeners.at(1).relays_bytes());
  EXPECT_FALSE(l.snapshot->listeners.at(1).forwards_packets());
  EXPECT_EQ(l.snapshot->timeouts.relay_idle, 5min);
  expect_mistake("mode = \"relay\" is of listeners with protocol = \"tcp\"",
                 "protocol = \"udp\"\nmode = \"relay\"\n");
  expect_mistake("new_flows is of listeners that forward packets",
                 "protocol = \"tcp\"\nmode = \"relay\"\nnew_flows = 5\n");
}

TEST_F(L4Keys, proxy_protocol_is_for_listeners_that_relay_bytes) {
  const std::string service =
      "[[service]]\nname = \"db\"\nproxy_protocol = \"v2\"\nendpoints = []\n";
  const std::string third =
      "[[listener]]\nname = \"third\"\naddress = \"198.18.0.10:54\"\n"
      "service = \"db\"\nprotocol = \"tcp\"\n";
  EXPECT_EQ(mistake("protocol = \"udp\"\n" + third + "mode = \"relay\"\n" + service), "");
  expect_mistake("the service db has proxy_protocol, and this listener relays no bytes",
                 "protocol = \"udp\"\n" + third + service);
}

TEST_F(L4Keys, tls_chooses_services_by_name) {
  const std::string routes =
      "protocol = \"tls\"\nroutes = [{ names = [\"A.example\", \"*.b.example\"], service = "
      "\"echo\" }]\n";
  const Loaded l = load_with(routes + "unknown_name = \"refuse\"\n");
  ASSERT_TRUE(l.snapshot) << l.mistakes.front().str();
  const config::Listener& listener = l.snapshot->listeners.at(1);
  EXPECT_EQ(listener.routes, (std::vector<config::NameRoute>{{{"a.example", "*.b.example"}, 0}}));
  EXPECT_EQ(listener.unknown_name, config::UnknownName::kRefuse);
  EXPECT_EQ(listener.service, 0u);
  EXPECT_FALSE(listener.ends_tls());
  const auto with_name = [&](const std::string& name) {
    return "protocol = \"tls\"\nroutes = [{ names = [\"" + name + "\"], service = \"echo\" }]\n";
  };
  for (const char* bad : {"", "*", "*.", "a..b", ".a", "a.", "a b", "*.*.a"})
    expect_mistake("is no DNS name", with_name(bad));
  expect_mistake(
      "a second route for a.example",
      "protocol = \"tls\"\nroutes = [{ names = [\"a.example\", \"A.example\"], service = "
      "\"echo\" }]\n");
  expect_mistake("routes is of listeners with protocol = \"tls\"",
                 "protocol = \"tcp\"\nroutes = []\n");
}

TEST_F(L4Keys, tls_needs_no_service_of_its_own_when_it_has_routes) {
  std::string text = files.config(
      "[[listener]]\nname = \"edge\"\naddress = \"198.18.0.10:443\"\nprotocol = \"tls\"\n");
  files.write("sluiced.toml", text);
  const Loaded none = load(files.path("sluiced.toml"));
  ASSERT_FALSE(none.mistakes.empty());
  EXPECT_NE(none.mistakes.front().str().find("needs a service, or routes"), std::string::npos);
  files.write("sluiced.toml", text + "routes = [{ names = \"a.example\", service = \"echo\" }]\n");
  const Loaded l = load(files.path("sluiced.toml"));
  ASSERT_TRUE(l.snapshot) << l.mistakes.front().str();
  EXPECT_EQ(l.snapshot->listeners.at(1).service, config::Listener::kNoService);
}

TEST_F(L4Keys, warn_of_pods_that_get_packets_at_another_port_than_that_of_their_endpoint) {
  for (const char* mode : {"dsr", "ipip"}) {
    const Loaded l = load_with(std::string("protocol = \"udp\"\nmode = \"") + mode + "\"\n");
    ASSERT_TRUE(l.snapshot) << l.mistakes.front().str();
    EXPECT_EQ(l.snapshot->listeners.at(1).l4.mode,
              std::string(mode) == "dsr" ? config::Forward::kDsr : config::Forward::kIpip);
    std::string said;
    for (const Mistake& m : l.warnings) said += m.text + "\n";
    EXPECT_NE(said.find("the pod 10.0.0.1:80 gets packets at port 53 of 198.18.0.10, since the "
                        "listener other leaves packets as they are"),
              std::string::npos)
        << said;
  }
}

TEST_F(L4Keys, allow_tcp_and_udp_on_one_address_and_two_of_one_not) {
  const std::string third =
      "[[listener]]\nname = \"third\"\naddress = \"198.18.0.10:53\"\nservice = \"echo\"\n";
  EXPECT_EQ(mistake("protocol = \"udp\"\n" + third + "protocol = \"tcp\"\n"), "");
  expect_mistake("a second listener on 198.18.0.10:53",
                 "protocol = \"tcp\"\n" + third + "protocol = \"h2c\"\n");
}

TEST_F(L4Keys, want_source_addresses_that_the_port_can_have) {
  const auto expect = [&](const char* addresses, const char* part) {
    expect_mistake(part, "protocol = \"tcp\"\n",
                   std::string("snat_addresses = [") + addresses + "]\n");
  };
  expect("\"nowhere\"", "\"nowhere\" is not an address");
  expect("\"198.18.0.20\", \"198.18.0.20\"", "198.18.0.20 is given twice");
  expect("\"2001:db8::1\"", "2001:db8::1 needs an address of the same family in addresses");
}

TEST_F(L4Keys, a_listener_is_at_an_address_that_sluice_can_answer_for) {
  const std::pair<const char*, const char*> kBad[] = {
      {"0.0.0.0:53", "unspecified"},      {"[::]:53", "unspecified"},
      {"127.0.0.1:53", "loopback"},       {"[::1]:53", "loopback"},
      {"224.0.0.251:53", "multicast"},    {"[ff02::fb]:53", "multicast"},
      {"255.255.255.255:53", "broadcast"}};
  for (const auto& [address, why] : kBad) {
    files.write("sluiced.toml", files.config(std::string("[[listener]]\nname = \"other\"\n"
                                                         "service = \"echo\"\nprotocol = \"udp\"\n"
                                                         "address = \"") +
                                             address + "\"\n"));
    const Loaded l = load(files.path("sluiced.toml"));
    ASSERT_EQ(l.mistakes.size(), 1u) << address;
    EXPECT_NE(l.mistakes[0].str().find(std::string("is ") + why), std::string::npos)
        << l.mistakes[0].str();
  }
}

TEST_F(L4Keys, a_source_is_an_address_that_pods_can_answer_to) {
  expect_mistake("127.0.0.1 is loopback", "protocol = \"tcp\"\n",
                 "snat_addresses = [\"127.0.0.1\"]\n");
  expect_mistake("224.0.0.1 is multicast", "protocol = \"tcp\"\n",
                 "snat_addresses = [\"224.0.0.1\"]\n");
}

TEST_F(L4Keys, a_port_that_takes_less_than_ipv6_promises_is_warned_of) {
  for (const char* address : {"198.18.0.10:53", "[2001:db8::10]:53"}) {
    std::string text = files.config(std::string("[[listener]]\nname = \"other\"\n"
                                                "service = \"echo\"\nprotocol = \"udp\"\n"
                                                "address = \"") +
                                    address + "\"\n");
    const std::string before = "profile = \"nic.toml\"\n";
    text.replace(text.find(before), before.size(), before + "mtu = 1200\n");
    files.write("sluiced.toml", text);
    const Loaded l = load(files.path("sluiced.toml"));
    ASSERT_TRUE(l.snapshot) << l.mistakes.front().str();
    size_t said = 0;
    for (const Mistake& w : l.warnings)
      said += w.str().find("mtu = 1200") != std::string::npos ? 1 : 0;
    EXPECT_EQ(said, address[0] == '[' ? 1u : 0u);
  }
}

}  // namespace
}  // namespace sluice::loader
