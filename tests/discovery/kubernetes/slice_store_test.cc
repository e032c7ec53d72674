#include "discovery/kubernetes/slice_store.h"

#include "discovery/kubernetes/json_fields.h"
#include "support.h"

namespace sluice::discovery::kubernetes {
namespace {

class SliceStoreTest : public testing::Test {
 protected:
  void put(const std::string& text) { store.put(read_endpoint_slice(object(text))); }
  // One endpoint with these conditions.
  void conditions(const std::string& text) {
    put(R"({"metadata":{"namespace":"default","name":"a","labels":{"kubernetes.io/service-name":)"
        R"("greeter"}},"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"],"conditions":)" +
        text + R"(}],"ports":[{"name":"grpc","port":8080}]})");
  }
  Conditions only() const { return store.endpoints(kGreeter).at(0).conditions; }

  SliceStore store;
};

TEST_F(SliceStoreTest, the_slices_of_a_service_are_merged) {
  put(slice("a", "10.0.0.1 10.0.0.3"));
  put(slice("b", "10.0.0.2"));
  EXPECT_EQ(pods(store), "10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080");
  store.erase({"default", "a"});
  EXPECT_EQ(pods(store), "10.0.0.2:8080");
}

TEST_F(SliceStoreTest, an_endpoint_that_moves_to_another_slice_stays_the_same_pod) {
  put(slice("a", "10.0.0.1 10.0.0.2"));
  put(slice("b", "10.0.0.3"));
  const auto before = store.endpoints(kGreeter);
  put(slice("b", "10.0.0.3 10.0.0.2"));
  EXPECT_EQ(pods_of(store.endpoints(kGreeter)), pods_of(before)) << "in both slices meanwhile";
  put(slice("a", "10.0.0.1"));
  EXPECT_EQ(store.endpoints(kGreeter), before);
}

TEST_F(SliceStoreTest, conditions_that_are_null_or_absent_mean_what_the_api_says) {
  for (const char* nothing :
       {"null", "{}", R"({"ready":null,"serving":null,"terminating":null})"}) {
    conditions(nothing);
    EXPECT_EQ(only(), (Conditions{.ready = true, .serving = true, .terminating = false}));
  }
  conditions(R"({"ready":false})");
  EXPECT_EQ(only(), (Conditions{.ready = false, .serving = false, .terminating = false}))
      << "serving is as ready";
}

TEST_F(SliceStoreTest, ready_in_spite_of_terminating_serves_when_no_other_does) {
  // publishNotReadyAddresses.
  conditions(R"({"ready":true,"serving":false,"terminating":true})");
  EXPECT_EQ(pods(store), "10.0.0.1:8080");
  put(slice("b", "10.0.0.2"));
  EXPECT_EQ(pods(store), "10.0.0.2:8080");
}

TEST_F(SliceStoreTest, endpoints_and_ports_that_are_null_are_none) {
  put(R"({"metadata":{"namespace":"default","name":"a","labels":{"kubernetes.io/service-name":)"
      R"("greeter"}},"addressType":"IPv4","endpoints":null,"ports":null})");
  EXPECT_EQ(pods(store), "");
  EXPECT_EQ(store.why_empty(kGreeter), "");
}

TEST_F(SliceStoreTest, a_port_is_taken_by_name_and_differs_by_pod) {
  put(slice("a", "10.0.0.1"));
  put(R"({"metadata":{"namespace":"default","name":"b","labels":{"kubernetes.io/service-name":)"
      R"("greeter"}},"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.2"]}],)"
      R"("ports":[{"name":"metrics","port":9090},{"name":"grpc","port":8081},)"
      R"({"name":"dns","port":53,"protocol":"UDP"}]})");
  EXPECT_EQ(pods(store), "10.0.0.1:8080 10.0.0.2:8081");
  EXPECT_EQ(pods(store, {{"default", "greeter"}, "9090"}), "10.0.0.2:9090") << "by number";
  EXPECT_EQ(pods(store, {{"default", "greeter"}, "dns"}), "") << "not TCP";
  EXPECT_EQ(pods(store, {{"default", "greeter"}, ""}), "10.0.0.1:8080") << "the only one";
}

TEST_F(SliceStoreTest, a_service_without_endpoints_says_why) {
  EXPECT_EQ(store.why_empty(kGreeter), "the API server has no EndpointSlice of default/greeter");
  put(slice("a", "10.0.0.1"));
  EXPECT_EQ(store.why_empty(kGreeter), "");
  EXPECT_EQ(store.why_empty({{"default", "greeter"}, "http"}),
            "default/greeter has no TCP port \"http\"; it has: \"grpc\" (8080)");
}

TEST_F(SliceStoreTest, both_families_are_endpoints) {
  put(slice("a", "10.0.0.1"));
  put(R"({"metadata":{"namespace":"default","name":"b","labels":{"kubernetes.io/service-name":)"
      R"("greeter"}},"addressType":"IPv6","endpoints":[{"addresses":["2001:db8::1"]}],)"
      R"("ports":[{"name":"grpc","port":8080}]})");
  EXPECT_EQ(store.endpoints(kGreeter).size(), 2u);
}

TEST_F(SliceStoreTest, services_of_the_same_name_in_two_namespaces_are_two) {
  put(slice("a", "10.0.0.1"));
  EXPECT_EQ(pods(store, {{"other", "greeter"}, "grpc"}), "");
}

TEST_F(SliceStoreTest, the_changed_services_are_named_once) {
  put(slice("a", "10.0.0.1"));
  put(slice("b", "10.0.0.1"));
  const auto changed = store.take_changed();
  EXPECT_EQ(changed.size(), 1u);
  EXPECT_TRUE(changed.contains({"default", "greeter"}));
  EXPECT_TRUE(store.take_changed().empty());
}

TEST_F(SliceStoreTest, a_list_of_a_namespace_leaves_the_others_alone) {
  put(slice("a", "10.0.0.1"));
  store.replace("other", {}, {});
  EXPECT_EQ(pods(store), "10.0.0.1:8080");
  store.replace("default", {}, {{"default", "a"}});
  EXPECT_EQ(pods(store), "10.0.0.1:8080") << "kept";
  store.replace("default", {}, {});
  EXPECT_EQ(pods(store), "");
}

std::string with_hints(const std::string& name, const std::string& address,
                       const std::string& zone) {
  return R"({"metadata":{"namespace":"default","name":")" + name +
         R"(","labels":{"kubernetes.io/service-name":"greeter"}},"addressType":"IPv4","endpoints":)" +
         R"([{"addresses":[")" + address + R"("],"hints":{"forZones":[{"name":")" + zone +
         R"("}]}}],"ports":[{"name":"grpc","port":8080}]})";
}

TEST(SliceStoreZones, hints_hold_when_every_ready_endpoint_has_one_and_some_are_for_the_zone) {
  SliceStore store("west");
  store.put(read_endpoint_slice(object(with_hints("a", "10.0.0.1", "east"))));
  EXPECT_EQ(pods(store), "10.0.0.1:8080") << "none is for the zone";
  store.put(read_endpoint_slice(object(with_hints("b", "10.0.0.2", "west"))));
  EXPECT_EQ(pods(store), "10.0.0.2:8080");
  store.put(read_endpoint_slice(object(slice("c", "10.0.0.3"))));
  EXPECT_EQ(pods(store), "10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080") << "one has no hint";
}

TEST(EndpointSlice, objects_that_the_api_does_not_define_cannot_be_read) {
  const std::string good = slice("a", "10.0.0.1");
  const std::pair<const char*, const char*> changes[] = {
      {"IPv4", "IPv5"},          {"\"10.0.0.1\"]", "\"pod\"]"},
      {"[\"10.0.0.1\"]", "[]"},  {"8080", "0"},
      {"8080", "\"8080\""},      {"\"name\":\"a\"", "\"name\":7"},
      {"\"addresses\"", "\"x\""}};
  for (const auto& [from, to] : changes) {
    std::string bad = good;
    bad.replace(bad.find(from), std::string_view(from).size(), to);
    EXPECT_THROW(read_endpoint_slice(object(bad)), Unreadable) << bad;
  }
  EXPECT_NO_THROW(read_endpoint_slice(object(good)));
}

TEST(ServicePort, is_namespace_service_and_port) {
  EXPECT_EQ(ServicePort::parse("default/greeter:grpc"), kGreeter);
  EXPECT_EQ(ServicePort::parse("default/greeter")->port, "");
  EXPECT_EQ(ServicePort::parse("default/greeter:8080")->number(), 8080);
  EXPECT_EQ(kGreeter.number(), std::nullopt);
  for (const char* bad : {"greeter:grpc", "/greeter:grpc", "default/:grpc",
                          "default/greeter:", "Default/greeter:grpc", "default/greeter:0",
                          "default/greeter:70000", "default/greeter:a_b", "a/b/c"})
    EXPECT_FALSE(ServicePort::parse(bad)) << bad;
}

}  // namespace
}  // namespace sluice::discovery::kubernetes
