// Tunnels: Upgrade to WebSocket (RFC 6455) and CONNECT, in both roles.

#include "fixture.h"
#include "http1/websocket.h"

namespace sluice::http1 {
namespace {

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";  // RFC 6455, 1.3
constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const std::string kUpgrade =
    "GET /chat HTTP/1.1\r\nHost: v\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    "Sec-WebSocket-Key: " +
    std::string(kKey) + "\r\nSec-WebSocket-Version: 13\r\n\r\n";

TEST(WebSocketKeys, make_the_answer_of_the_RFC) {
  EXPECT_TRUE(is_websocket_key(kKey));
  EXPECT_EQ(view(accept_of(kKey)), kAccept);
  EXPECT_FALSE(is_websocket_key("short=="));
  EXPECT_FALSE(is_websocket_key("dGhlIHNhbXBsZSBub25jZQ\x01="));
  std::mt19937_64 random(1);
  EXPECT_TRUE(is_websocket_key(view(make_websocket_key(random))));
  EXPECT_NE(view(make_websocket_key(random)), view(make_websocket_key(random)));
}

class ServerTunnel : public ServerTest {
 protected:
  void open(const char* status = "200") {
    http->send_headers(*owner.last,
                       fields({{":status", status}, {"sec-websocket-protocol", "chat"}}), false);
  }
};

TEST_F(ServerTunnel, an_upgrade_is_an_extended_CONNECT_for_its_owner) {
  hear(kUpgrade);
  EXPECT_EQ(owner.log,
            (std::vector<std::string>{
                "request :method=CONNECT :protocol=websocket :scheme=http :authority=v :path=/chat "
                "sec-websocket-version=13"}));
}

TEST_F(ServerTunnel, success_is_101_with_the_clients_own_key) {
  hear(kUpgrade);
  open();
  EXPECT_EQ(say(),
            "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-protocol: chat\r\n"
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: " +
                std::string(kAccept) + "\r\n\r\n");
  EXPECT_EQ(stats.tunnels.get(), 1u);
  hear("ping");
  EXPECT_EQ(owner.body, "ping");
  send(*owner.last, "pong", false);
  EXPECT_EQ(say(), "pong");
}

TEST_F(ServerTunnel, bytes_in_front_of_the_answer_wait_and_are_no_request) {
  hear(kUpgrade + "GET /next HTTP/1.1\r\nHost: v\r\n\r\n");
  EXPECT_EQ(owner.body, "");
  open("403");
  say();
  http->send_data(*owner.last, buffers.slice("no"), true);
  say();
  EXPECT_EQ(http->ending(), Ending::kClose);
  EXPECT_EQ(stats.requests.get(), 1u);
}

TEST_F(ServerTunnel, a_refusal_is_an_ordinary_answer_and_ends_the_connection) {
  hear(kUpgrade);
  http->send_headers(*owner.last, fields({{":status", "426"}}), true);
  EXPECT_EQ(say(),
            "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  EXPECT_EQ(http->ending(), Ending::kClose);
}

TEST_F(ServerTunnel, success_without_a_tunnel_is_an_ordinary_answer_with_a_body) {
  hear(kUpgrade + "early");
  EXPECT_TRUE(http->decline_tunnel(*owner.last));
  http->send_headers(*owner.last, fields({{":status", "200"}, {"content-length", "2"}}), false);
  send(*owner.last, "no", true);
  EXPECT_EQ(say(), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno");
  EXPECT_EQ(http->ending(), Ending::kClose);
  EXPECT_EQ(owner.body, "");
  EXPECT_EQ(stats.tunnels.get(), 0u);
}

TEST_F(ServerTunnel, only_a_request_for_a_tunnel_can_be_answered_without_one) {
  hear("GET / HTTP/1.1\r\nHost: v\r\n\r\n");
  EXPECT_FALSE(http->decline_tunnel(*owner.last));
}

TEST_F(ServerTunnel, bytes_that_came_early_go_on_when_the_tunnel_opens) {
  hear(kUpgrade + "early");
  open();
  say();
  EXPECT_EQ(owner.body, "early");
}

TEST_F(ServerTunnel, each_side_ends_for_itself) {
  hear(kUpgrade);
  open();
  say();
  EXPECT_TRUE(http->end_of_input());
  EXPECT_TRUE(owner.has("body "));
  send(*owner.last, "bye", true);
  EXPECT_EQ(say(), "bye");
  EXPECT_TRUE(owner.has("closed"));
  EXPECT_TRUE(wire.closed);
  EXPECT_EQ(http->ending(), Ending::kClose);
}

// The pod's answer and the client's FIN may come in one turn, before flush().
TEST_F(ServerTunnel, bytes_that_waited_come_before_the_end) {
  hear(kUpgrade + "early");
  open();
  EXPECT_TRUE(http->end_of_input());
  say();
  EXPECT_TRUE(owner.has("body early"));
}

TEST_F(ServerTunnel, behind_another_request_has_its_clients_bytes_and_end) {
  hear("GET /slow HTTP/1.1\r\nHost: v\r\n\r\n" + kUpgrade + "abc");
  EXPECT_TRUE(http->end_of_input());
  answer(*owner.last);
  say();
  open();
  EXPECT_NE(say().find("101 Switching Protocols"), std::string::npos);
  EXPECT_EQ(owner.log.back(), "body abc");
  EXPECT_EQ(http->ending(), Ending::kNo);
  send(*owner.last, "pong", false);
  EXPECT_EQ(say(), "pong");
}

TEST_F(ServerTunnel, is_watched_when_the_client_has_ended_its_side) {
  hear(kUpgrade);
  open();
  say();
  EXPECT_TRUE(http->end_of_input());
  EXPECT_TRUE(http->wants_watch());
}

TEST_F(ServerTunnel, a_pods_own_accept_field_is_not_passed_on) {
  hear(kUpgrade);
  http->send_headers(*owner.last, fields({{":status", "200"}, {"sec-websocket-accept", "x"}}),
                     false);
  EXPECT_EQ(say().find("sec-websocket-accept: x"), std::string::npos);
}

TEST_F(ServerTunnel, may_be_silent_until_one_side_has_ended) {
  hear(kUpgrade);
  open();
  say();
  for (int i = 0; i < 3600; ++i) {
    now += 1s;
    ASSERT_EQ(http->watch(now), http::Connection::Watched::kFine);
  }
  send(*owner.last, "", true);
  say();
  bool failed = false;
  for (int i = 0; i < 3600 && !failed; ++i) {
    now += 1s;
    failed = http->watch(now) == http::Connection::Watched::kFailed;
  }
  EXPECT_TRUE(failed);
  EXPECT_EQ(stats.guard_slow_body.get(), 1u);
}

TEST_F(ServerTunnel, an_owner_that_resets_leaves_no_clean_end) {
  hear(kUpgrade);
  open();
  say();
  http->reset(*owner.last, EndReason::kInternalError);
  EXPECT_EQ(http->ending(), Ending::kAbort);
}

TEST_F(ServerTunnel, an_owner_that_resets_behind_its_own_end_leaves_no_clean_end) {
  hear(kUpgrade);
  open();
  send(*owner.last, "bye", true);
  say();
  http->reset(*owner.last, EndReason::kCancelled);
  EXPECT_EQ(http->ending(), Ending::kAbort);
}

TEST_F(ServerTunnel, CONNECT_is_passed_where_the_listener_says_so) {
  http = codec.server(owner, wire, {.pass_connect = true});
  owner.connection = http.get();
  http->start();
  hear("CONNECT pod:443 HTTP/1.1\r\nHost: pod:443\r\n\r\n");
  EXPECT_TRUE(owner.has("request :method=CONNECT :authority=pod:443"));
  http->send_headers(*owner.last, fields({{":status", "200"}}), false);
  EXPECT_EQ(say(), "HTTP/1.1 200 OK\r\n\r\n");
  hear("raw");
  EXPECT_EQ(owner.body, "raw");
}

TEST_F(ServerTunnel, CONNECT_with_a_body_is_refused) {
  for (const char* framing :
       {"Content-Length: 3\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}) {
    http = codec.server(owner, wire, {.pass_connect = true});
    owner.connection = http.get();
    http->start();
    hear("CONNECT pod:443 HTTP/1.1\r\nHost: pod:443\r\n" + std::string(framing));
    EXPECT_TRUE(owner.log.empty());
    EXPECT_EQ(say().substr(0, 12), "HTTP/1.1 400") << framing;
  }
}

struct NoUpgrade {
  const char* name;
  const char* head;
};
class NotAnUpgrade : public ServerTest, public testing::WithParamInterface<NoUpgrade> {};

TEST_P(NotAnUpgrade, is_an_ordinary_request) {
  hear(GetParam().head);
  ASSERT_EQ(owner.log.size(), 1u);
  EXPECT_EQ(owner.log[0].find("CONNECT"), std::string::npos) << owner.log[0];
}

INSTANTIATE_TEST_SUITE_P(
    All, NotAnUpgrade,
    testing::Values(
        NoUpgrade{"to_h2c",
                  "GET / HTTP/1.1\r\nHost: v\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                  "Upgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"},
        NoUpgrade{"without_a_key",
                  "GET / HTTP/1.1\r\nHost: v\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"},
        NoUpgrade{"with_two_keys",
                  "GET / HTTP/1.1\r\nHost: v\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"},
        NoUpgrade{"without_Connection",
                  "GET / HTTP/1.1\r\nHost: v\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"},
        NoUpgrade{"of_POST",
                  "POST / HTTP/1.1\r\nHost: v\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 0\r\n\r\n"},
        NoUpgrade{"with_a_body",
                  "GET / HTTP/1.1\r\nHost: v\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 5\r\n\r\n"},
        NoUpgrade{"of_HTTP_1_0",
                  "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"}),
    [](const auto& i) { return i.param.name; });

class ClientTunnel : public ClientTest {
 protected:
  // Returns the key that the pod has to answer.
  std::string ask_for_websocket() {
    stream = http->open(fields({{":method", "CONNECT"},
                                {":protocol", "websocket"},
                                {":scheme", "http"},
                                {":authority", "pod"},
                                {":path", "/chat"}}),
                        false, &owner, 0);
    head = say();
    const std::string name = "sec-websocket-key: ";
    return head.substr(head.find(name) + name.size(), 24);
  }
  std::string switching(const std::string& key) {
    return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Accept: " +
           std::string(view(accept_of(key))) + "\r\nX: y\r\n\r\n";
  }
  http::Stream* stream = nullptr;
  std::string head;
};

TEST_F(ClientTunnel, an_extended_CONNECT_is_an_upgrade_with_a_key_of_its_own) {
  EXPECT_TRUE(http->peer_takes_protocol("websocket"));
  EXPECT_FALSE(http->peer_takes_protocol("connect-udp"));
  const std::string key = ask_for_websocket();
  EXPECT_EQ(head,
            "GET /chat HTTP/1.1\r\nhost: pod\r\nsec-websocket-version: 13\r\n"
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: " +
                key + "\r\n\r\n");
  EXPECT_TRUE(is_websocket_key(key));
  hear(switching(key) + "hi");
  EXPECT_EQ(owner.log, (std::vector<std::string>{"response :status=200 x=y"}));
  EXPECT_EQ(owner.body, "hi");
}

// A pod that refuses would read them as its next request.
TEST_F(ClientTunnel, bytes_wait_until_the_pod_has_switched) {
  const std::string key = ask_for_websocket();
  send(*stream, "GET /admin HTTP/1.1\r\n\r\n", false);
  EXPECT_EQ(say(), "");
  EXPECT_EQ(owner.sent, 0u);
  hear(switching(key));
  EXPECT_EQ(say(), "GET /admin HTTP/1.1\r\n\r\n");
  EXPECT_GT(owner.sent, 0u);
}

TEST_F(ClientTunnel, a_refusal_is_passed_on_and_what_waited_never_leaves) {
  ask_for_websocket();
  send(*stream, "frames", false);
  hear("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
  EXPECT_TRUE(owner.has("response :status=403 content-length=2"));
  EXPECT_EQ(say(), "");
  EXPECT_EQ(http->ending(), Ending::kAbort);
}

TEST_F(ClientTunnel, an_answer_with_another_key_is_broken) {
  ask_for_websocket();
  hear(switching(std::string(kKey)));
  EXPECT_TRUE(http->failed());
  EXPECT_EQ(stats.broken_answers.get(), 1u);
}

TEST_F(ClientTunnel, a_pod_that_answers_200_has_not_switched) {
  ask_for_websocket();
  hear("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\nno");
  EXPECT_TRUE(owner.has("declined :status=200 content-length=2 x=y"));
  EXPECT_TRUE(owner.has("body no"));
  EXPECT_EQ(http->ending(), Ending::kAbort);
  EXPECT_EQ(stats.broken_answers.get(), 0u) << "a server may ignore Upgrade";
}

TEST_F(ClientTunnel, a_101_to_an_ordinary_request_is_broken) {
  ask();
  hear(switching(std::string(kKey)));
  EXPECT_TRUE(http->failed());
}

TEST_F(ClientTunnel, is_half_closed_when_the_pod_ends_its_side) {
  hear(switching(ask_for_websocket()));
  EXPECT_TRUE(http->end_of_input());
  EXPECT_TRUE(owner.has("body "));
  EXPECT_EQ(http->ending(), Ending::kNo);
  send(*stream, "last", true);
  EXPECT_EQ(say(), "last");
  EXPECT_TRUE(wire.closed);
  EXPECT_TRUE(owner.has("closed"));
  EXPECT_EQ(http->ending(), Ending::kClose);
}

TEST_F(ClientTunnel, an_answer_to_CONNECT_has_no_length_for_the_owner) {
  stream =
      http->open(fields({{":method", "CONNECT"}, {":authority", "pod:443"}}), false, &owner, 0);
  say();
  hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y\r\n\r\n");
  EXPECT_EQ(owner.log, (std::vector<std::string>{"response :status=200 x=y"}));
}

TEST_F(ClientTunnel, CONNECT_has_the_authority_form) {
  stream =
      http->open(fields({{":method", "CONNECT"}, {":authority", "pod:443"}}), false, &owner, 0);
  EXPECT_EQ(say(), "CONNECT pod:443 HTTP/1.1\r\nhost: pod:443\r\n\r\n");
  send(*stream, "raw", false);
  EXPECT_EQ(say(), "");
  hear("HTTP/1.1 200 OK\r\n\r\nback");
  EXPECT_EQ(owner.body, "back");
  EXPECT_EQ(say(), "raw");
}

}  // namespace
}  // namespace sluice::http1
