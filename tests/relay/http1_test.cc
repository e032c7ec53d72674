// Clients and pods of HTTP/1.1: the relay between them, over TCP.

#include "fixture.h"

namespace sluice::relay {
namespace {

// A client or a pod that speaks and hears bytes.
class RawSide final : public tcp::User {
 public:
  explicit RawSide(Node& node) : node_(node) {}
  void say(std::string_view bytes) {
    tcp->send_queue().append_copy({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                                  node_.buffers.memory.hold());
    tcp->push();
  }
  void on_established(tcp::Connection&) override {}
  void on_data(tcp::Connection& c, buf::Slice data) override {
    heard.append(reinterpret_cast<const char*>(data.data()), data.size());
    c.consumed(data.size());
    if (on_heard) on_heard();
  }
  void on_end_of_data(tcp::Connection&) override { ended = true; }
  void on_writable(tcp::Connection&) override {}
  void on_closed(tcp::Connection&, tcp::CloseReason r) override {
    tcp = nullptr;
    closed = true;
    reset = r == tcp::CloseReason::kReset;
  }

  tcp::Connection* tcp = nullptr;
  std::string heard;
  bool ended = false;  // by Sluice's FIN
  bool closed = false;
  bool reset = false;
  std::function<void()> on_heard;

 private:
  Node& node_;
};

// A pod of HTTP/1.1 that answers each request whose head it has heard.
class Http1Pod final : public tcp::Acceptor {
 public:
  Http1Pod(Node& node, int number) : node_(node), number_(number) {
    node_.stack.listen(pod_at(number_), this);
  }
  tcp::User* on_accept(tcp::Connection& c) override {
    sides.push_back(std::make_unique<RawSide>(node_));
    RawSide& side = *sides.back();
    side.tcp = &c;
    side.on_heard = [this, &side] {
      size_t at;
      while ((at = side.heard.find("\r\n\r\n")) != std::string::npos) {
        requests.push_back(side.heard.substr(0, at + 4));
        side.heard.erase(0, at + 4);
        if (answers) side.say(answer);
      }
    };
    return &side;
  }
  RawSide& side(size_t i) { return *sides.at(i); }

  bool answers = true;
  std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  std::vector<std::string> requests;
  std::vector<std::unique_ptr<RawSide>> sides;

 private:
  Node& node_;
  int number_;
};

class Http1RelayTest : public RelayTest {
 protected:
  Http1RelayTest() { snapshot.listeners[0].protocol = config::Protocol::kHttp; }
  ~Http1RelayTest() override {
    end();
    lb.out.clear();
    outside.out.clear();
  }
  RawSide& raw() {
    raws.push_back(std::make_unique<RawSide>(outside));
    RawSide& c = *raws.back();
    c.tcp = outside.stack.connect({}, kVip, &c, now);
    run();
    return c;
  }
  std::string ask(RawSide& c, std::string_view request) {
    c.heard.clear();
    c.say(request);
    run();
    return c.heard;
  }
  // The pod's address is taken by an HTTP/1.1 pod.
  Http1Pod& http1_pod(int n) {
    pod(n).down();
    snapshot.services[0].protocol = config::PodProtocol::kHttp1;
    http1_pods.push_back(std::make_unique<Http1Pod>(outside, n));
    return *http1_pods.back();
  }
  static constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: vip\r\n\r\n";

  std::vector<std::unique_ptr<RawSide>> raws;
  std::vector<std::unique_ptr<Http1Pod>> http1_pods;
};

TEST_F(Http1RelayTest, a_request_of_HTTP_1_1_reaches_a_pod_of_HTTP_2_and_its_answer_comes_back) {
  endpoints({1});
  RawSide& c = raw();
  EXPECT_EQ(ask(c, kGet),
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npod1\r\n"
            "0\r\ngrpc-status: 0\r\n\r\n");
  const FieldList& f = pod(1).peer().owner.streams[1].headers;
  EXPECT_EQ(field(f, Name::kMethod), "GET");
  EXPECT_EQ(field(f, Name::kAuthority), "vip");
  EXPECT_EQ(in_flight(1), 0u);
}

TEST_F(Http1RelayTest, the_requests_of_one_kept_connection_take_turns_over_all_pods) {
  endpoints({1, 2, 3});
  RawSide& c = raw();
  for (int i = 0; i < 30; ++i) EXPECT_NE(ask(c, kGet), "");
  for (int n = 1; n <= 3; ++n) EXPECT_EQ(pod(n).requests(), 10);
  EXPECT_EQ(worker->listener(0).connections.get(), 1u);
}

TEST_F(Http1RelayTest, a_pipelined_request_waits_for_the_answer_before_it) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  RawSide& c = raw();
  ask(c, std::string(kGet) + std::string(kGet));
  EXPECT_EQ(pod(1).requests(), 1);
  pod(1).answer(pod(1).peer(), *pod(1).last);
  run();
  EXPECT_EQ(pod(1).requests(), 2);
  pod(1).answer(pod(1).peer(), *pod(1).last);
  run();
  EXPECT_NE(c.heard.find("pod1"), c.heard.rfind("pod1"));
}

TEST_F(Http1RelayTest, both_versions_come_on_one_port) {
  endpoints({1});
  Peer& h2 = client();
  call(h2);
  EXPECT_EQ(heard(h2).body, "pod1");
  RawSide& c = raw();
  EXPECT_NE(ask(c, kGet).find("pod1"), std::string::npos);
}

TEST_F(Http1RelayTest, a_preface_in_slices_of_one_byte_is_HTTP_2) {
  endpoints({1});
  RawSide& c = raw();
  for (const char byte : http2::hello()) {
    c.say({&byte, 1});
    run();
  }
  ASSERT_GE(c.heard.size(), http2::kFrameHeaderSize);
  EXPECT_EQ(http2::frames(c.heard).at(0).head.type, http2::FrameType::kSettings);
}

TEST_F(Http1RelayTest, a_method_that_begins_like_the_preface_is_HTTP_1_1) {
  endpoints({1});
  RawSide& c = raw();
  for (const char byte : std::string("PROPFIND / HTTP/1.1\r\nHost: v\r\n\r\n")) {
    c.say({&byte, 1});
    run();
  }
  EXPECT_NE(c.heard.find("pod1"), std::string::npos);
}

TEST_F(Http1RelayTest, a_large_upload_to_a_pod_that_does_not_read_is_held_back) {
  endpoints({1});
  pod(1).way = TestPod::Way::kHeadersOnly;
  pod(1).peer().owner.data_hook = [](http2::Stream&, buf::Slice, bool) {};  // takes nothing
  RawSide& c = raw();
  constexpr size_t kBody = 2'000'000;
  c.say("POST / HTTP/1.1\r\nHost: v\r\nContent-Length: " + std::to_string(kBody) + "\r\n\r\n");
  run();
  for (size_t i = 0; i < kBody / 1000; ++i) c.say(std::string(1000, 'x'));
  run();
  EXPECT_GT(c.tcp->send_queue().size(), kBody / 2);
}

TEST_F(Http1RelayTest, an_upload_arrives_whole) {
  endpoints({1});
  RawSide& c = raw();
  constexpr size_t kBody = 400'000;
  c.say("POST / HTTP/1.1\r\nHost: v\r\nContent-Length: " + std::to_string(kBody) + "\r\n\r\n");
  for (size_t i = 0; i < kBody / 1000; ++i) c.say(std::string(1000, 'x'));
  run();
  EXPECT_EQ(pod(1).peer().owner.streams[1].body.size(), kBody);
  EXPECT_NE(c.heard.find("pod1"), std::string::npos);
}

TEST_F(Http1RelayTest, a_client_that_resets_cancels_its_call) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  RawSide& c = raw();
  ask(c, kGet);
  ASSERT_EQ(in_flight(1), 1u);
  c.tcp->abort();
  run();
  EXPECT_EQ(in_flight(1), 0u);
  EXPECT_TRUE(pod(1).peer().has("1 reset CANCEL remote"));
}

TEST_F(Http1RelayTest, a_client_that_ends_its_side_still_gets_its_answer) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  RawSide& c = raw();
  ask(c, kGet);
  c.tcp->close();
  run();
  pod(1).answer(pod(1).peer(), *pod(1).last);
  run();
  EXPECT_NE(c.heard.find("pod1"), std::string::npos);
  EXPECT_TRUE(c.ended || c.closed);
}

TEST_F(Http1RelayTest, a_pod_that_resets_its_answer_leaves_it_visibly_cut) {
  endpoints({1});
  pod(1).way = TestPod::Way::kHeadersOnly;
  RawSide& c = raw();
  ask(c, kGet);
  pod(1).peer().h2->reset(*pod(1).last, ErrorCode::kInternalError);
  run();
  EXPECT_EQ(c.heard, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
  EXPECT_TRUE(c.ended);
}

TEST_F(Http1RelayTest, a_service_without_pods_answers_503_and_the_connection_is_kept) {
  endpoints({});
  RawSide& c = raw();
  EXPECT_EQ(ask(c, kGet).substr(0, 12), "HTTP/1.1 503");
  EXPECT_EQ(ask(c, kGet).substr(0, 12), "HTTP/1.1 503");
}

TEST_F(Http1RelayTest, a_bad_request_gets_400_and_the_end) {
  endpoints({1});
  RawSide& c = raw();
  EXPECT_EQ(ask(c, "GET / HTTP/1.1\r\n\r\n"),
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  EXPECT_TRUE(c.ended);
}

TEST_F(Http1RelayTest, a_drain_ends_kept_connections_without_losing_a_request) {
  endpoints({1});
  RawSide& c = raw();
  ask(c, kGet);
  relay->begin_drain(0s, 10s);
  run();
  EXPECT_NE(ask(c, kGet).find("connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(c.ended);
}

TEST_F(Http1RelayTest, an_idle_connection_is_closed_a_second_into_the_drain) {
  endpoints({1});
  RawSide& c = raw();
  ask(c, kGet);
  relay->begin_drain(0s, 10s);
  run(1100ms);
  EXPECT_TRUE(c.ended);
}

TEST_F(Http1RelayTest, Via_names_the_version_of_the_request) {
  snapshot.listeners[0].forwarding.via = "lb";
  endpoints({1});
  RawSide& c = raw();
  ask(c, kGet);
  EXPECT_EQ(field(pod(1).peer().owner.streams[1].headers, Name::kVia), "1.1 lb");
}

}  // namespace
}  // namespace sluice::relay
