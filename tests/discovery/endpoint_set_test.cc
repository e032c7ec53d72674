#include "discovery/endpoint_set.h"

#include <gtest/gtest.h>

namespace sluice::discovery {
namespace {

Endpoint endpoint(const char* id, Conditions conditions) {
  return {.address = *sluice::Endpoint::parse("10.0.0.1:80"), .id = id, .conditions = conditions};
}

std::string ids(const EndpointSet& set) {
  std::string out;
  for (const config::Pod& p : pods_of(set)) out += p.id;
  return out;
}

constexpr Conditions kReady{};
constexpr Conditions kNotReady{.ready = false, .serving = false, .terminating = false};
constexpr Conditions kServesAndTerminates{.ready = false, .serving = true, .terminating = true};
constexpr Conditions kTerminates{.ready = false, .serving = false, .terminating = true};

TEST(EndpointSet, endpoints_that_are_ready_are_pods) {
  EXPECT_EQ(ids({endpoint("a", kReady), endpoint("b", kNotReady), endpoint("c", kReady),
                 endpoint("d", kServesAndTerminates)}),
            "ac");
}

TEST(EndpointSet, where_none_is_ready_those_that_still_serve_while_they_terminate_are_pods) {
  EXPECT_EQ(ids({endpoint("a", kNotReady), endpoint("b", kServesAndTerminates),
                 endpoint("c", kTerminates)}),
            "b");
  EXPECT_EQ(ids({endpoint("a", kNotReady), endpoint("b", kTerminates)}), "");
}

TEST(EndpointSet, an_endpoint_that_is_there_twice_is_one_pod) {
  EndpointSet set{endpoint("a", kReady), endpoint("a", kReady), endpoint("b", kReady)};
  set[1].weight = 7;
  EXPECT_EQ(ids(set), "ab");
  EXPECT_EQ(pods_of(set)[0].weight, 1u);
}

}  // namespace
}  // namespace sluice::discovery
