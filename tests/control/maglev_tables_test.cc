// Which services get a table for L4 listeners, and when a table is made anew.

#include "control/maglev_tables.h"

#include <gtest/gtest.h>

namespace sluice::control {
namespace {

class MaglevTables : public testing::Test {
 protected:
  MaglevTables() {
    snapshot.startup.ports.push_back({.addresses = {*Prefix::parse("198.18.0.2/24")}});
    snapshot.services = {{.name = "l4"}, {.name = "l7"}};
    for (config::Service& s : snapshot.services)
      s.pods = {{.endpoint = *Endpoint::parse("198.18.1.101:80")},
                {.endpoint = *Endpoint::parse("198.18.1.102:80")}};
    snapshot.listeners = {{.name = "a", .protocol = config::Protocol::kTcp, .service = 0},
                          {.name = "b", .protocol = config::Protocol::kUdp, .service = 0},
                          {.name = "c", .protocol = config::Protocol::kH2c, .service = 1}};
  }
  const Maglev* table(const config::Snapshot& s) { return s.services[0].table.maglev.get(); }

  config::Snapshot snapshot;
};

TEST_F(MaglevTables, are_made_for_services_of_l4_listeners) {
  EXPECT_TRUE(fill_maglev_tables(snapshot, nullptr).empty());
  ASSERT_NE(table(snapshot), nullptr);
  EXPECT_EQ(table(snapshot)->entries().size(), Maglev::kEntries);
  EXPECT_EQ(snapshot.services[1].table.maglev, nullptr);
}

TEST_F(MaglevTables, stay_while_the_pods_stay) {
  fill_maglev_tables(snapshot, nullptr);
  config::Snapshot next = snapshot;
  next.services[1].pods.edit().pop_back();
  std::swap(next.services[0], next.services[1]);
  for (config::Listener& l : next.listeners) l.service = 1 - l.service;
  fill_maglev_tables(next, &snapshot);
  EXPECT_EQ(next.services[1].table.maglev.get(), table(snapshot));
}

TEST_F(MaglevTables, are_made_anew_when_a_pod_or_a_weight_changes) {
  fill_maglev_tables(snapshot, nullptr);
  config::Snapshot next = snapshot;
  next.services[0].pods.edit()[1].weight = 3;
  fill_maglev_tables(next, &snapshot);
  ASSERT_NE(table(next), nullptr);
  EXPECT_NE(table(next), table(snapshot));
}

TEST_F(MaglevTables, give_no_share_to_pods_of_a_family_that_no_port_speaks) {
  snapshot.services[0].pods.edit()[0].endpoint = *Endpoint::parse("[2001:db8::1]:80");
  fill_maglev_tables(snapshot, nullptr);
  for (const uint16_t e : table(snapshot)->entries()) ASSERT_EQ(e, 1);
}

TEST_F(MaglevTables, tell_once_that_there_is_no_pod) {
  const auto pods = std::exchange(snapshot.services[0].pods, {});
  EXPECT_EQ(
      fill_maglev_tables(snapshot, nullptr),
      std::vector<std::string>{"service l4: no pod; listeners of tcp and udp refuse new flows"});
  config::Snapshot next = snapshot;
  EXPECT_TRUE(fill_maglev_tables(next, &snapshot).empty());
  next.services[0].pods = pods;
  EXPECT_TRUE(fill_maglev_tables(next, &snapshot).empty());
  config::Snapshot last = snapshot;
  EXPECT_EQ(fill_maglev_tables(last, &next).size(), 1u);
}

}  // namespace
}  // namespace sluice::control
