#include "worker/settings.h"

#include <gtest/gtest.h>

#include "worker/orders.h"
#include "worker/secret.h"

namespace sluice::worker {
namespace {

TEST(Settings, tcp_obeys_memory_timeouts_and_limits) {
  config::Snapshot s;
  s.startup.memory = {.connections = 100, .half_open = 10, .time_wait = 20};
  s.timeouts.time_wait = 3s;
  s.timeouts.tcp_user = 4s;
  s.timeouts.tcp_keepalive = 5s;
  s.limits.receive_buffer = 10'000;
  s.limits.receive_buffer_max = 20'000;
  s.limits.send_buffer = 30'000;
  s.limits.connections_per_address = 40;
  s.limits.send_buffer_max = 40'000;
  const tcp::Config c = tcp_config(s);
  EXPECT_EQ(c.max_connections, 100u);
  EXPECT_EQ(c.max_half_open, 10u);
  EXPECT_EQ(c.max_time_wait, 20u);
  EXPECT_EQ(c.time_wait, 3s);
  EXPECT_EQ(c.user_timeout, 4s);
  EXPECT_EQ(c.keepalive_idle, 5s);
  EXPECT_EQ(c.receive_buffer, 10'000u);
  EXPECT_EQ(c.receive_buffer_max, 20'000u);
  EXPECT_EQ(c.send_buffer, 30'000u);
  EXPECT_EQ(c.connections_per_address, 40u);
  EXPECT_EQ(c.send_buffer_max, 40'000u);
}

TEST(Settings, ports_that_face_pods_are_received_from_first) {
  config::Snapshot s;
  s.startup.ports.resize(3);
  s.startup.ports[0].addresses = {*Prefix::parse("198.18.0.2/24"),
                                  *Prefix::parse("2001:db8::2/64")};
  s.startup.ports[1].addresses = {*Prefix::parse("198.18.1.1/24")};
  s.startup.ports[2].addresses = {*Prefix::parse("198.18.2.1/24")};
  EXPECT_EQ(receive_order(s), (std::vector<size_t>{0, 1, 2}));
  s.listeners.push_back({.address = *Endpoint::parse("198.18.0.10:80")});
  EXPECT_EQ(receive_order(s), (std::vector<size_t>{1, 2, 0}));
  s.listeners[0].address = *Endpoint::parse("[2001:db8::10]:80");
  EXPECT_EQ(receive_order(s), (std::vector<size_t>{1, 2, 0}));
  s.listeners[0].address = *Endpoint::parse("203.0.113.1:80");  // in no port's network
  EXPECT_EQ(receive_order(s), (std::vector<size_t>{0, 1, 2}));
}

TEST(Settings, l4_flows_leave_from_the_first_address_of_a_family_unless_the_port_says_otherwise) {
  config::Snapshot s;
  s.startup.ports.resize(2);
  s.startup.ports[0].addresses = {*Prefix::parse("198.18.0.2/24"), *Prefix::parse("198.18.0.3/24"),
                                  *Prefix::parse("2001:db8::2/64")};
  s.startup.ports[1].addresses = s.startup.ports[0].addresses;
  s.startup.ports[1].snat_addresses = {*Address::parse("198.18.0.20")};
  const auto all = snat_addresses(s.startup);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0],
            (std::vector<Address>{*Address::parse("198.18.0.2"), *Address::parse("2001:db8::2")}));
  EXPECT_EQ(all[1],
            (std::vector<Address>{*Address::parse("198.18.0.20"), *Address::parse("2001:db8::2")}));
  EXPECT_EQ(port_addresses(s.startup)[1].addresses.size(), 4u);  // Sluice answers for it, too
}

TEST(Settings, tcp_leaves_the_connect_timeout_to_services) {
  config::Snapshot s;
  s.timeouts.connect = 1s;
  s.services.push_back({.connect_timeout = 24h});
  EXPECT_GE(tcp_config(s).connect_timeout, s.services[0].connect_timeout);
}

TEST(Settings, a_buffer_never_starts_above_its_maximum) {
  config::Snapshot s;
  s.limits.receive_buffer = 100'000;
  s.limits.receive_buffer_max = 50'000;
  s.limits.send_buffer = 100'000;
  s.limits.send_buffer_max = 50'000;
  EXPECT_GE(tcp_config(s).receive_buffer_max, tcp_config(s).receive_buffer);
  EXPECT_GE(tcp_config(s).send_buffer_max, tcp_config(s).send_buffer);
}

TEST(Settings, ports_keep_their_order_addresses_and_gateways) {
  config::Startup s;
  s.ports.resize(2);
  s.ports[0].addresses = {*Prefix::parse("198.18.0.2/24")};
  s.ports[1].addresses = {*Prefix::parse("198.18.1.1/24")};
  s.ports[1].routes = {{*Prefix::parse("10.0.0.0/8"), *Address::parse("198.18.1.254")}};
  const auto ports = port_addresses(s);
  ASSERT_EQ(ports.size(), 2u);
  EXPECT_EQ(ports[0].addresses, s.ports[0].addresses);
  EXPECT_TRUE(ports[0].routes.empty());
  ASSERT_EQ(ports[1].routes.size(), 1u);
  EXPECT_EQ(ports[1].routes[0].to, s.ports[1].routes[0].to);
  EXPECT_EQ(ports[1].routes[0].via, s.ports[1].routes[0].via);
}

TEST(Orders, never_get_milder) {
  Orders orders;
  EXPECT_EQ(orders.get(), Order::kRun);
  orders.give(Order::kEnd);
  orders.give(Order::kDrain);
  EXPECT_EQ(orders.get(), Order::kEnd);
}

TEST(Secret, differs_each_time) {
  const SipKey a = random_key();
  const SipKey b = random_key();
  EXPECT_NE(a.k0, b.k0);
  EXPECT_NE(a.k1, b.k1);
}

}  // namespace
}  // namespace sluice::worker
