// Tunnels: CONNECT and extended CONNECT (RFC 9113, 8.5; RFC 8441) through the relay.

#include "relay/fixture.h"

namespace sluice::relay {
namespace {

struct ConnectTest : RelayTest {
  void pass(bool pod_too = true) {
    pod(1).config.pass_connect = pod_too;
    snapshot.listeners[0].connect = config::Connect::kPass;
    endpoints({1});
    pod(1).way = TestPod::Way::kHeadersOnly;
  }
  static FieldList plain() {
    FieldList f;
    f.add(Name::kMethod, "CONNECT");
    f.add(Name::kAuthority, "db:5432");
    return f;
  }
  static FieldList extended() {
    FieldList f = http2::request("/chat");
    FieldList out;
    out.add(Name::kMethod, "CONNECT");
    out.add(Name::kProtocol, "websocket");
    for (const http::Field field : f)
      if (field.id != Name::kMethod) out.add(field.id, field.value);
    return out;
  }
};

TEST_F(ConnectTest, is_refused_by_default_and_no_pod_hears_of_it) {
  endpoints({1});
  Peer& c = client();
  call(c, false, plain());
  EXPECT_EQ(field(heard(c).headers, Name::kStatus), "501");
  EXPECT_TRUE(heard(c).ended);
  EXPECT_EQ(heard(c).code, ErrorCode::kNoError);
  EXPECT_FALSE(c.h2->peer_takes_protocol("websocket"));
  EXPECT_EQ(pod(1).requests(), 0);
  EXPECT_EQ(worker->http2.connects_refused.get(), 1u);
  call(c);
  EXPECT_EQ(heard(c, 3).body, "pod1") << "the connection goes on";
}

TEST_F(ConnectTest, an_extended_one_for_the_path_of_health_goes_to_the_pod) {
  snapshot.listeners[0].health_path = "/chat";
  pass();
  call(client(), false, extended());
  EXPECT_EQ(pod(1).requests(), 1);
}

TEST_F(ConnectTest, where_it_is_passed_bytes_go_both_ways) {
  pass();
  Peer& c = client();
  http2::Stream* s = call(c, false, plain());
  EXPECT_EQ(field(heard(c).headers, Name::kStatus), "200");
  body(c, s, "ping", false);
  EXPECT_EQ(pod(1).peer().owner.streams[1].body, "ping");
  pod(1).peer().h2->send_data(*pod(1).last, buffers.slice("pong"), false);
  run();
  EXPECT_EQ(heard(c).body, "pong");
  body(c, s, "", true);
  pod(1).peer().h2->send_data(*pod(1).last, buffers.slice("bye"), true);
  run();
  EXPECT_EQ(heard(c).body, "pongbye");
  EXPECT_TRUE(heard(c).closed);
}

TEST_F(ConnectTest, extended_reaches_a_pod_that_offers_it) {
  pass();
  Peer& c = client();
  EXPECT_TRUE(c.h2->peer_takes_protocol("websocket"));
  call(c, false, extended());
  EXPECT_EQ(field(heard(c).headers, Name::kStatus), "200");
  EXPECT_EQ(field(pod(1).peer().owner.streams[1].headers, Name::kProtocol), "websocket");
}

TEST_F(ConnectTest, extended_is_not_sent_to_a_pod_that_does_not_offer_it) {
  pass(false);
  Peer& c = client();
  call(c, false, extended());
  EXPECT_EQ(field(heard(c).headers, Name::kStatus), "503");
  EXPECT_EQ(pod(1).requests(), 0);
}

TEST_F(ConnectTest, a_reload_decides_for_new_connections) {
  snapshot.listeners[0].connect = config::Connect::kRefuse;
  pod(1).config.pass_connect = true;
  endpoints({1});
  Peer& old = client();
  pass();
  call(old, false, plain());
  EXPECT_EQ(field(heard(old).headers, Name::kStatus), "501");
  Peer& fresh = client();
  call(fresh, false, plain());
  EXPECT_EQ(field(heard(fresh).headers, Name::kStatus), "200");
}

}  // namespace
}  // namespace sluice::relay
