#include "control/pod_changes.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.h"

namespace sluice::control {
namespace {

using Edits = std::vector<config::PodEdit>;

discovery::Endpoint endpoint(const std::string& address, const std::string& id = "") {
  return {.address = *Endpoint::parse(address), .id = id};
}

class PodChangesTest : public testing::Test {
 protected:
  PodChangesTest() {
    startup.ports.resize(1);
    startup.ports[0].addresses = {*Prefix::parse("198.18.1.1/24")};
    startup.ports[0].routes = {{*Prefix::parse("10.0.0.0/8"), *Address::parse("198.18.1.250")}};
  }
  bool use(const discovery::EndpointSet& set) {
    return use_endpoints(service, set, discovery::Reachability(startup));
  }
  config::Startup startup;
  config::Service service;
};

TEST_F(PodChangesTest, pods_that_stay_keep_their_slots) {
  ASSERT_TRUE(use({endpoint("10.0.0.1:80", "a"), endpoint("10.0.0.2:80", "b")}));
  service.pods.edit()[0].slot = 7;
  service.pods.edit()[1].slot = 8;
  ASSERT_TRUE(use(
      {endpoint("10.0.0.2:80", "b"), endpoint("10.0.0.1:80", "c"), endpoint("10.0.0.1:80", "a")}));
  EXPECT_EQ(service.pods[0].slot, 8u);
  EXPECT_EQ(service.pods[1].slot, kNoSlot) << "another pod with the address of one that stays";
  EXPECT_EQ(service.pods[2].slot, 7u);
}

TEST_F(PodChangesTest, the_same_endpoints_change_nothing) {
  use({endpoint("10.0.0.1:80", "a")});
  const auto before = service.pods;
  EXPECT_FALSE(use({endpoint("10.0.0.1:80", "a")}));
  EXPECT_TRUE(service.pods.shares_with(before));
}

TEST_F(PodChangesTest, an_endpoint_that_no_port_reaches_is_no_pod) {
  EXPECT_TRUE(use({endpoint("198.18.1.9:80"), endpoint("10.9.9.9:80"),
                   endpoint("172.16.0.1:80", "far"), endpoint("[2001:db8::1]:80")}));
  EXPECT_EQ(service.pods.size(), 2u);
  ASSERT_EQ(service.unreachable.size(), 2u);
  EXPECT_EQ(service.unreachable[0].id, "far");
}

TEST_F(PodChangesTest, pods_that_terminate_serve_while_no_port_reaches_a_ready_one) {
  discovery::Endpoint leaving = endpoint("10.0.0.1:80");
  leaving.conditions = {.ready = false, .serving = true, .terminating = true};
  use({endpoint("172.16.0.1:80"), leaving});
  ASSERT_EQ(service.pods.size(), 1u);
  EXPECT_EQ(service.pods[0].endpoint, leaving.address);
}

config::SharedList<config::Pod> list(const std::vector<uint32_t>& slots) {
  std::vector<config::Pod> pods;
  for (const uint32_t s : slots) pods.push_back({.slot = s});
  return pods;
}

TEST(PodEditsTest, edits_name_the_places_of_pods_that_left_and_came) {
  EXPECT_EQ(edits_between(list({1, 2, 3}), list({1, 2, 3})), Edits{});
  EXPECT_EQ(edits_between(list({1, 2, 3}), list({1, 3})), (Edits{{1, 1, 0}}));
  EXPECT_EQ(edits_between(list({1, 3}), list({1, kNoSlot, kNoSlot, 3})), (Edits{{1, 0, 2}}));
  EXPECT_EQ(edits_between(list({1, 2, 3, 4}), list({kNoSlot, 2, 4, kNoSlot})),
            (Edits{{0, 1, 1}, {2, 1, 0}, {3, 0, 1}}));
  EXPECT_EQ(edits_between(list({}), list({kNoSlot})), (Edits{{0, 0, 1}}));
}

TEST(PodEditsTest, another_order_or_weight_is_no_edit) {
  EXPECT_EQ(edits_between(list({1, 2}), list({2, 1})), std::nullopt);
  auto heavy = list({1, 2});
  heavy.edit()[0].weight = 2;
  EXPECT_EQ(edits_between(list({1, 2}), heavy), std::nullopt);
}

TEST(PodEditsTest, edits_that_are_applied_in_order_lead_to_the_next_list) {
  Random random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<uint32_t> before, next;
    for (uint32_t slot = 0; slot < 40; ++slot) {
      const uint64_t fate = random.below(4);
      if (fate != 0) before.push_back(slot);
      if (fate != 0 && fate != 1) next.push_back(slot);
      if (random.below(6) == 0) next.push_back(kNoSlot);
    }
    const auto edits = edits_between(list(before), list(next));
    ASSERT_TRUE(edits);
    std::vector<uint32_t> got = before;
    for (const config::PodEdit& e : *edits) {
      const auto at = got.begin() + e.at;
      const auto behind = got.erase(at, at + e.removed);
      got.insert(behind, e.added, kNoSlot);
    }
    EXPECT_EQ(got, next);
  }
}

}  // namespace
}  // namespace sluice::control
