// Services by server name: TLS that goes on to the pod.

#include "fixture.h"
#include "tls/hello.h"

namespace sluice::splice {
namespace {

using test::client_hello;

config::Listener tls_listener() {
  return {.name = "edge",
          .address = kVip,
          .protocol = config::Protocol::kTls,
          .routes = {{{"db.example"}, 1}, {{"*.apps.example"}, 2}, {{"*.deep.apps.example"}, 1}}};
}

TEST(Routes, an_exact_name_comes_first_then_the_closest_wildcard_then_the_own_service) {
  Service* const services[] = {reinterpret_cast<Service*>(16), reinterpret_cast<Service*>(32),
                               reinterpret_cast<Service*>(48)};
  config::Listener l = tls_listener();
  l.routes.push_back({{"www.apps.example"}, 0});
  const Routes routes(l, services);
  EXPECT_EQ(routes.find("db.example"), services[1]);
  EXPECT_EQ(routes.find("a.apps.example"), services[2]);
  EXPECT_EQ(routes.find("a.b.apps.example"), services[2]);
  EXPECT_EQ(routes.find("a.deep.apps.example"), services[1]);
  EXPECT_EQ(routes.find("www.apps.example"), services[0]);
  EXPECT_EQ(routes.find("apps.example"), services[0]) << "a wildcard is not its own name";
  EXPECT_EQ(routes.find(".apps.example"), services[0]);
  EXPECT_EQ(routes.find("other.example"), services[0]);
  EXPECT_EQ(routes.find(""), services[0]);
  l.unknown_name = config::UnknownName::kRefuse;
  const Routes strict(l, services);
  EXPECT_EQ(strict.find("other.example"), nullptr);
  EXPECT_EQ(strict.find(""), services[0]);
  l.service = config::Listener::kNoService;
  EXPECT_EQ(Routes(l, services).find(""), nullptr);
}

class ByName : public SpliceTest {
 protected:
  ByName() {
    snapshot.services.clear();
    for (uint32_t i = 0; i < 3; ++i)
      snapshot.services.push_back(
          {.name = "s" + std::to_string(i),
           .pods = {{.endpoint = pod_at(static_cast<int>(i) + 1), .slot = i + 1}},
           .connect_timeout = 1s,
           .slot = i});
    snapshot.listeners = {tls_listener()};
    adopt();
  }
};

TEST_F(ByName, the_pod_gets_the_hello_and_everything_behind_it_unchanged) {
  const std::string hello = client_hello("db.example", 1'800);
  Peer& c = client();
  c.say(hello.substr(0, 700));
  run();
  EXPECT_TRUE(pod(2).peers.empty());
  c.say(hello.substr(700) + "more");
  run();
  ASSERT_EQ(pod(2).peers.size(), 1u);
  EXPECT_EQ(pod(2).peer().heard, hello + "more");
  pod(2).peer().say("answer");
  run();
  EXPECT_EQ(c.heard, "answer");
  Peer& other = client();
  other.say(client_hello("x.apps.example"));
  run();
  EXPECT_EQ(pod(3).peers.size(), 1u);
}

TEST_F(ByName, a_hello_byte_by_byte_in_small_records_works) {
  const std::string hello =
      test::in_records(test::hello_message(test::server_name_extension("db.example")), 7);
  Peer& c = client();
  for (const char b : hello) {
    c.say({&b, 1});
    run();
  }
  ASSERT_EQ(pod(2).peers.size(), 1u);
  EXPECT_EQ(pod(2).peer().heard, hello);
}

TEST_F(ByName, a_name_of_no_route_gets_the_own_service_or_the_alert_unrecognized_name) {
  Peer& c = client();
  c.say(client_hello("other.example"));
  run();
  EXPECT_EQ(pod(1).peers.size(), 1u);
  snapshot.listeners[0].unknown_name = config::UnknownName::kRefuse;
  adopt();
  Peer& d = client();
  d.say(client_hello("other.example"));
  run();
  EXPECT_EQ(d.heard, std::string("\x15\x03\x03\x00\x02\x02\x70", 7));
  EXPECT_TRUE(d.ended);
  d.tcp->close();
  run(2s);
  EXPECT_EQ(counters().refused_name.get(), 1u);
  EXPECT_EQ(counters().open.get(), 1u);
}

TEST_F(ByName, bytes_that_are_no_hello_are_refused) {
  Peer& c = client();
  c.say("GET / HTTP/1.1\r\n\r\n");
  run(10ms);
  EXPECT_EQ(c.closed, tcp::CloseReason::kReset);
  Peer& d = client();
  d.say(test::in_records(std::string("\x02\x00\x00\x01z", 5)));
  run();
  EXPECT_EQ(d.heard, std::string("\x15\x03\x03\x00\x02\x02\x32", 7)) << "decode_error";
  run(2s);
  Peer& e = client();
  e.tcp->close();
  run(10ms);
  EXPECT_EQ(counters().refused_hello.get(), 3u);
  EXPECT_EQ(counters().open.get(), 0u);
}

TEST_F(ByName, a_client_that_does_not_finish_its_hello_is_reset) {
  Peer& silent = client();
  Peer& slow = client();
  slow.say(client_hello("db.example").substr(0, 30));
  run(11s);
  EXPECT_EQ(silent.closed, tcp::CloseReason::kReset);
  EXPECT_EQ(slow.closed, tcp::CloseReason::kReset);
  EXPECT_EQ(counters().guard_hello_timeout.get(), 2u);
}

TEST_F(ByName, a_hello_above_the_bound_is_reset) {
  snapshot.guards.handshake_size = 4'096;
  adopt();
  Peer& c = client();
  c.say(client_hello("db.example", 8'000));
  run(10ms);
  EXPECT_EQ(c.closed, tcp::CloseReason::kReset);
  EXPECT_EQ(counters().guard_hello_size.get(), 1u);
}

TEST_F(ByName, the_header_of_proxy_protocol_comes_before_the_hello) {
  snapshot.services[1].proxy_protocol = config::ProxyProtocol::kV2;
  adopt();
  const std::string hello = client_hello("db.example");
  client().say(hello);
  run();
  ASSERT_EQ(pod(2).peers.size(), 1u);
  EXPECT_EQ(pod(2).peer().heard.substr(28), hello);
}

}  // namespace
}  // namespace sluice::splice
