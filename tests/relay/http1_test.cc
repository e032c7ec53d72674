// Clients and pods of HTTP/1.1: the relay between them, over TCP.

#include "fixture.h"
#include "http1/websocket.h"

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
    if (paused) {
      unread += data.size();
    } else {
      c.consumed(data.size());
    }
    if (on_heard) on_heard();
  }
  void on_end_of_data(tcp::Connection& c) override {
    ended = true;
    if (tcp_closes) c.close();
  }
  void resume() {
    paused = false;
    tcp->consumed(std::exchange(unread, 0));
  }
  void on_writable(tcp::Connection&) override {}
  void on_closed(tcp::Connection&, tcp::CloseReason r) override {
    tcp = nullptr;
    closed = true;
    reset = r == tcp::CloseReason::kReset;
  }

  tcp::Connection* tcp = nullptr;
  std::string heard;
  bool paused = false;  // reads no more
  uint32_t unread = 0;
  bool tcp_closes = false;  // ends its side when Sluice does
  bool ended = false;       // by Sluice's FIN
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
    side.tcp_closes = true;
    side.on_heard = [this, &side] {
      size_t at;
      while ((at = side.heard.find("\r\n\r\n")) != std::string::npos) {
        requests.push_back(side.heard.substr(0, at + 4));
        side.heard.erase(0, at + 4);
        if (answers) side.say(answer);
        if (answers && closes) side.tcp->close();
      }
    };
    return &side;
  }
  RawSide& side(size_t i) { return *sides.at(i); }

  bool answers = true;
  bool closes = false;  // ends the connection behind each answer
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
  // In HTTP/2 (RFC 8441).
  static FieldList websocket() {
    FieldList f;
    f.add(Name::kMethod, "CONNECT");
    f.add(Name::kProtocol, "websocket");
    f.add(Name::kScheme, "http");
    f.add(Name::kAuthority, "vip");
    f.add(Name::kPath, "/chat");
    return f;
  }
  uint64_t failures(stats::Failure why) {
    return worker->listener(0).failures[static_cast<size_t>(why)].get();
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

TEST_F(Http1RelayTest, a_client_that_writes_all_before_it_reads_gets_the_early_answer) {
  endpoints({});
  RawSide& c = raw();
  c.paused = true;
  constexpr size_t kBody = 2'000'000;
  c.say("POST / HTTP/1.1\r\nHost: v\r\nContent-Length: " + std::to_string(kBody) + "\r\n\r\n");
  for (size_t i = 0; i < kBody / 1000; ++i) c.say(std::string(1000, 'x'));
  run(3s);
  EXPECT_EQ(c.tcp->send_queue().size(), 0u) << "Sluice reads on behind its answer";
  EXPECT_EQ(c.heard.substr(0, 12), "HTTP/1.1 503");
  EXPECT_FALSE(c.closed);
  run(10s);
  EXPECT_TRUE(c.closed && c.reset) << "a client that neither sends nor ends is not waited for";
}

TEST_F(Http1RelayTest,
       a_client_that_writes_first_and_a_pod_that_reads_no_more_do_not_wait_forever) {
  pod(1).config.initial_stream_window = 1'000;
  pod(1).way = TestPod::Way::kSilent;
  endpoints({1});
  RawSide& c = raw();
  c.paused = true;
  ask(c, "POST /a HTTP/1.1\r\nHost: vip\r\nContent-Length: 1000000\r\n\r\n");
  for (int i = 0; i < 100; ++i) c.say(std::string(10'000, 'x'));
  pod(1).peer().h2->send_headers(*pod(1).last, http2::response(), false);
  pod(1).peer().h2->send_data(*pod(1).last, buffers.slice("no"), true);
  run(29s);
  ASSERT_FALSE(c.ended || c.closed);
  EXPECT_GT(c.tcp->send_queue().size(), 100'000u);
  run(2s);
  EXPECT_EQ(c.tcp->send_queue().size(), 0u) << "the rest is read and dropped";
  EXPECT_EQ(c.heard.substr(0, 12), "HTTP/1.1 200");
  EXPECT_TRUE(c.ended);
  EXPECT_EQ(in_flight(1), 0u);
  EXPECT_EQ(worker->relay.stream_idle_timeouts.get(), 0u);
}

TEST_F(Http1RelayTest, a_client_that_sends_on_and_on_behind_an_early_answer_is_reset) {
  endpoints({});
  RawSide& c = raw();
  c.say("POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 2000000\r\n\r\n");
  run();
  ASSERT_EQ(c.heard.substr(0, 12), "HTTP/1.1 503");
  int seconds = 0;
  for (; seconds < 60 && !c.closed; ++seconds) {
    c.say("x");
    run(1s);
  }
  EXPECT_TRUE(c.reset);
  EXPECT_GE(seconds, 25);
  EXPECT_LE(seconds, 35);
  EXPECT_EQ(worker->relay.guard_discarded.get(), 1u);
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

TEST_F(Http1RelayTest, a_client_that_ended_its_side_and_hears_nothing_cancels_its_call) {
  snapshot.access_log.file = "log";
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  RawSide& c = raw();
  ask(c, kGet);
  c.tcp->close();
  run(4s);
  EXPECT_EQ(in_flight(1), 1u);
  run(4s);
  EXPECT_EQ(in_flight(1), 0u);
  EXPECT_TRUE(pod(1).peer().has("1 reset CANCEL remote"));
  EXPECT_EQ(c.heard.find("HTTP/1.1 504"), 0u) << c.heard;
  EXPECT_TRUE(c.closed);
  EXPECT_FALSE(c.reset);
  EXPECT_EQ(lower.http1_stats.half_closed_cancels.get(), 1u);
  const auto noted = worker->access().pop();
  ASSERT_TRUE(noted);
  EXPECT_EQ(noted->result, stats::Result::kIncomplete);
  EXPECT_STREQ(noted->end, "the client had ended its side, and the answer did not come");
}

TEST_F(Http1RelayTest, such_a_cancellation_resets_the_connection_to_a_pod_of_HTTP_1_1) {
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  snapshot.listeners[0].half_closed_timeout = 2s;
  endpoints({1});
  RawSide& c = raw();
  ask(c, kGet);
  c.tcp->close();
  run(5s);
  EXPECT_TRUE(p.side(0).reset);
  EXPECT_EQ(in_flight(1), 0u);
}

TEST_F(Http1RelayTest, a_listener_may_let_half_closed_clients_wait) {
  snapshot.listeners[0].half_closed_timeout = 0s;
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  RawSide& c = raw();
  ask(c, kGet);
  c.tcp->close();
  run(60s);
  pod(1).answer(pod(1).peer(), *pod(1).last);
  run();
  EXPECT_NE(c.heard.find("pod1"), std::string::npos);
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

TEST_F(Http1RelayTest,
       a_pods_reset_in_place_of_an_answer_is_noted_as_the_502_that_the_client_gets) {
  snapshot.access_log.file = "log";
  pod(1).way = TestPod::Way::kSilent;
  endpoints({1});
  RawSide& c = raw();
  ask(c, kGet);
  pod(1).peer().h2->reset(*pod(1).last, ErrorCode::kInternalError);
  run();
  EXPECT_EQ(c.heard, "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
  const auto a = worker->access().pop();
  ASSERT_TRUE(a);
  EXPECT_EQ(a->status, 502);
  EXPECT_EQ(a->result, stats::Result::k5xx);
  EXPECT_STREQ(a->end, "the pod reset the stream");
  EXPECT_EQ(failures(stats::Failure::kAnswer), 1u);
}

TEST_F(Http1RelayTest, a_request_that_Sluice_ends_is_noted_with_the_answer_and_the_reason) {
  snapshot.access_log.file = "log";
  snapshot.guards.stall_timeout = 10s;
  pod(1).way = TestPod::Way::kSilent;
  endpoints({1});
  const std::string head = "POST /a HTTP/1.1\r\nHost: vip\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string trailer(100'000, 'x');
  const std::tuple<std::string, uint16_t, const char*> ends[] = {
      {"ZZ\r\n", 400, "the client broke the protocol"},
      {"0\r\nx: " + trailer + "\r\n\r\n", 431, "the request's trailers are too large"},
      {"2\r\na", 408, "the rest of the request did not come in time"}};
  for (const auto& [body, status, why] : ends) {
    RawSide& c = raw();
    ask(c, head + body);
    run(20s);
    EXPECT_EQ(c.heard.substr(0, 12), "HTTP/1.1 " + std::to_string(status));
    const auto a = worker->access().pop();
    ASSERT_TRUE(a) << why;
    EXPECT_EQ(a->status, status);
    EXPECT_EQ(a->result, stats::Result::k4xx);
    EXPECT_STREQ(a->end, why);
  }
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

TEST_F(Http1RelayTest, a_drain_loses_no_request_behind_an_answer_that_had_begun) {
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  RawSide& pipelined = raw();
  RawSide& prompt = raw();
  RawSide& silent = raw();
  ask(pipelined, std::string(kGet) + std::string(kGet));
  ask(prompt, kGet);
  ask(silent, kGet);
  ASSERT_EQ(p.requests.size(), 3u);
  for (const size_t i : {0, 1, 2}) p.side(i).say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
  run();
  relay->begin_drain(0s, 10s);
  run(3s);
  p.answers = true;
  for (const size_t i : {0, 1, 2}) p.side(i).say("ok");
  run();
  EXPECT_EQ(p.requests.size(), 4u);
  EXPECT_NE(pipelined.heard.find("connection: close\r\n"), std::string::npos) << pipelined.heard;
  EXPECT_TRUE(pipelined.ended);
  run(900ms);
  EXPECT_NE(ask(prompt, kGet).find("connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(prompt.ended);
  EXPECT_FALSE(silent.ended);
  run(200ms);
  EXPECT_TRUE(silent.ended);
}

TEST_F(Http1RelayTest, a_reload_without_the_listener_and_its_service_loses_no_request) {
  Http1Pod& pod = http1_pod(1);
  endpoints({1});
  RawSide& c = raw();
  ask(c, kGet);
  snapshot.listeners.clear();
  snapshot.services.clear();
  adopt();
  run();
  EXPECT_EQ(ask(c, kGet), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
  EXPECT_TRUE(c.ended);
  run(2s);
  EXPECT_TRUE(pod.side(0).closed) << "nobody can call the service any more";
}

TEST_F(Http1RelayTest, a_reload_without_the_listener_and_its_service_loses_no_call_of_HTTP_2) {
  endpoints({1});
  Peer& p = client();
  snapshot.listeners.clear();
  snapshot.services.clear();
  adopt();
  // The client has not heard of its GOAWAY yet.
  http2::Stream* s = p.h2->open(grpc(), true, &p.owner);
  ASSERT_NE(s, nullptr);
  const uint32_t id = s->id();
  run();
  EXPECT_EQ(field(p.owner.streams[id].headers, Name::kStatus), "200");
  run(2s);
  EXPECT_TRUE(pod(1).peer().closed);
}

TEST_F(Http1RelayTest,
       a_connection_ends_behind_max_connection_streams_requests_and_at_max_connection_age) {
  snapshot.limits.max_connection_streams = 2;
  endpoints({1});
  RawSide& c = raw();
  EXPECT_EQ(ask(c, kGet).find("connection: close"), std::string::npos);
  EXPECT_NE(ask(c, kGet).find("connection: close"), std::string::npos);
  EXPECT_TRUE(c.ended);
  EXPECT_EQ(worker->relay.client_count_goaways.get(), 1u);

  snapshot.timeouts.max_connection_age = 10s;
  adopt();
  RawSide& old = raw();
  while (worker->relay.client_age_goaways.get() == 0) run(100ms);
  EXPECT_NE(ask(old, kGet).find("connection: close"), std::string::npos);
  EXPECT_TRUE(old.ended);
}

TEST_F(Http1RelayTest, Via_names_the_version_of_the_request) {
  snapshot.listeners[0].forwarding.via = "lb";
  endpoints({1});
  RawSide& c = raw();
  ask(c, kGet);
  EXPECT_EQ(field(pod(1).peer().owner.streams[1].headers, Name::kVia), "1.1 lb");
}

// --- Pods ---

TEST_F(Http1RelayTest, a_request_of_HTTP_1_1_reaches_a_pod_of_HTTP_1_1) {
  Http1Pod& p = http1_pod(1);
  endpoints({1});
  RawSide& c = raw();
  EXPECT_EQ(ask(c, kGet), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  EXPECT_EQ(p.requests.at(0), "GET /a HTTP/1.1\r\nhost: vip\r\n\r\n");
  EXPECT_EQ(in_flight(1), 0u);
}

TEST_F(Http1RelayTest, a_call_of_HTTP_2_reaches_a_pod_of_HTTP_1_1_with_body_and_trailers) {
  Http1Pod& p = http1_pod(1);
  p.answer =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
      "grpc-status: 0\r\n\r\n";
  p.answers = false;
  endpoints({1});
  Peer& c = client();
  http2::Stream* s = call(c, false);
  body(c, s, "hello", true);
  EXPECT_NE(p.requests.at(0).find("transfer-encoding: chunked\r\n"), std::string::npos);
  EXPECT_EQ(p.requests.at(1), "5\r\nhello\r\n0\r\n\r\n") << "the body";
  p.side(0).say(p.answer);
  run();
  EXPECT_EQ(heard(c).body, "ok");
  EXPECT_EQ(field(heard(c).trailers, Name::kGrpcStatus), "0");
  EXPECT_TRUE(heard(c).closed);
}

TEST_F(Http1RelayTest, a_call_of_HTTP_2_whose_authority_no_Host_can_carry_is_a_bad_request) {
  Http1Pod& p = http1_pod(1);
  endpoints({1});
  FieldList f;
  f.add(Name::kMethod, "POST");
  f.add(Name::kScheme, "http");
  f.add(Name::kAuthority, "a:80:90");
  f.add(Name::kPath, "/");
  f.add(Name::kContentType, "application/grpc");
  Peer& c = client();
  call(c, true, f);
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "3");
  EXPECT_TRUE(p.requests.empty());
}

TEST_F(Http1RelayTest, Upgrade_of_a_426_reaches_clients_of_HTTP_1_1_only) {
  Http1Pod& p = http1_pod(1);
  p.answer =
      "HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
      "Content-Length: 0\r\n\r\n";
  endpoints({1});
  EXPECT_EQ(ask(raw(), kGet),
            "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\nupgrade: websocket\r\n"
            "connection: upgrade\r\n\r\n");
  for (const bool grpc : {false, true}) {
    FieldList f = http2::request();
    if (grpc) f.add(Name::kContentType, "application/grpc");
    Peer& c = client();
    call(c, true, f);
    EXPECT_EQ(field(heard(c).headers, Name::kStatus), "426");
    EXPECT_FALSE(heard(c).headers.has(Name::kUpgrade));
    EXPECT_TRUE(heard(c).closed);
  }
}

TEST_F(Http1RelayTest, Content_Length_of_a_204_to_HEAD_reaches_no_client) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  FieldList no_content;
  no_content.add(Name::kStatus, "204");
  no_content.add(Name::kContentLength, "5");
  RawSide& h1 = raw();
  ask(h1, "HEAD /a HTTP/1.1\r\nHost: vip\r\n\r\n");
  pod(1).peer().h2->send_headers(*pod(1).last, no_content, true);
  run();
  EXPECT_EQ(h1.heard, "HTTP/1.1 204 No Content\r\n\r\n");
  FieldList f;
  f.add(Name::kMethod, "HEAD");
  f.add(Name::kScheme, "http");
  f.add(Name::kAuthority, "vip");
  f.add(Name::kPath, "/");
  Peer& c = client();
  call(c, true, f);
  pod(1).peer().h2->send_headers(*pod(1).last, no_content, true);
  run();
  EXPECT_EQ(field(heard(c).headers, Name::kStatus), "204");
  EXPECT_FALSE(heard(c).headers.has(Name::kContentLength));
}

TEST_F(Http1RelayTest, trailers_by_which_a_proxy_vouches_for_a_client_reach_no_pod) {
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  RawSide& c = raw();
  ask(c,
      "POST / HTTP/1.1\r\nHost: vip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
      "X-Forwarded-Client-Cert: a\r\nX_Forwarded_Client_Cert: b\r\nx_forwarded-for: c\r\n"
      "content_length: 5\r\nx-sum: 1\r\n\r\n");
  ASSERT_EQ(p.requests.size(), 2u);
  EXPECT_EQ(p.requests[1], "0\r\nx-sum: 1\r\n\r\n");
}

TEST_F(Http1RelayTest, a_connection_to_a_pod_is_kept_and_the_one_used_last_is_taken_first) {
  Http1Pod& p = http1_pod(1);
  endpoints({1});
  p.answers = false;
  Peer& c = client();
  call(c);
  call(c);
  call(c);
  ASSERT_EQ(p.sides.size(), 3u);
  p.side(2).say(p.answer);
  run();
  p.side(0).say(p.answer);
  run();
  p.side(1).say(p.answer);
  run();
  p.answers = true;
  for (int i = 0; i < 5; ++i) call(c);
  EXPECT_EQ(p.sides.size(), 3u);
  EXPECT_EQ(p.requests.size(), 8u);
  p.answers = false;
  call(c);
  p.side(1).say(p.answer);
  run();
  EXPECT_EQ(in_flight(1), 0u) << "the last one was asked again";
}

TEST_F(Http1RelayTest, as_many_connections_are_opened_as_calls_wait_up_to_the_limit) {
  snapshot.limits.http1_pod_connections = 5;
  snapshot.services[0].queue_limit = 100;
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  Peer& c = client();
  for (int i = 0; i < 12; ++i) c.h2->open(grpc(), true, &c.owner);
  run();
  EXPECT_EQ(p.sides.size(), 5u);
  EXPECT_EQ(in_flight(1), 5u);
  EXPECT_EQ(worker->service(0).queued.get(), 7u);
  for (auto& side : p.sides) side->say(p.answer);
  run();
  EXPECT_EQ(p.sides.size(), 5u);
  EXPECT_EQ(p.requests.size(), 10u);
}

TEST_F(Http1RelayTest,
       calls_that_wait_at_the_limit_of_connections_get_the_place_of_a_cancelled_one) {
  snapshot.limits.http1_pod_connections = 2;
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  Peer& c = client();
  call(c);
  http2::Stream* cancelled = call(c);
  call(c);
  call(c);
  ASSERT_EQ(p.requests.size(), 2u);
  ASSERT_EQ(worker->service(0).queued.get(), 2u);
  c.h2->reset(*cancelled, ErrorCode::kCancel);
  run();
  ASSERT_EQ(p.requests.size(), 3u);
  p.side(2).say(p.answer);
  run();
  EXPECT_EQ(p.requests.size(), 4u);
  EXPECT_EQ(worker->service(0).queued.get(), 0u);
}

TEST_F(Http1RelayTest, a_call_in_the_segment_that_cancels_two_others_reaches_the_pod) {
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  Peer& c = client();
  call(c);
  http2::Stream* second = call(c);
  http2::Stream* third = call(c);
  ASSERT_EQ(p.requests.size(), 3u);
  c.h2->reset(*second, ErrorCode::kCancel);
  c.h2->reset(*third, ErrorCode::kCancel);
  call(c);
  EXPECT_EQ(p.requests.size(), 4u);
  call(client());
  EXPECT_EQ(p.requests.size(), 5u) << "nor do the calls of others wait";
}

TEST_F(Http1RelayTest, a_call_that_comes_with_two_answers_that_close_reaches_the_pod) {
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  Peer& c = client();
  for (int i = 0; i < 3; ++i) call(c);
  ASSERT_EQ(p.requests.size(), 3u);
  for (const size_t i : {1, 2})
    p.side(i).say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
  call(c);
  EXPECT_EQ(p.requests.size(), 4u);
  EXPECT_EQ(in_flight(1), 2u);
}

TEST_F(Http1RelayTest, a_place_that_has_to_be_given_up_is_taken_at_once_and_is_the_only_one) {
  snapshot.limits.http1_pod_connections = 4;
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  Peer& greedy = client();
  for (int i = 0; i < 4; ++i) call(greedy);
  ASSERT_EQ(p.requests.size(), 4u);
  outside.move_to("198.18.0.7");
  call(client());
  run(1s);
  EXPECT_EQ(p.requests.size(), 5u);
  EXPECT_EQ(worker->relay.place_shares.get(), 1u);
}

TEST_F(Http1RelayTest, connections_that_are_not_needed_are_closed_and_the_last_one_is_kept) {
  Http1Pod& p = http1_pod(1);
  endpoints({1});
  p.answers = false;
  Peer& c = client();
  for (int i = 0; i < 3; ++i) call(c);
  for (auto& side : p.sides) side->say(p.answer);
  run();
  EXPECT_EQ(stats_of(1).connections.get(), 3u);
  run(10s);
  EXPECT_EQ(stats_of(1).connections.get(), 1u);
  EXPECT_EQ(stats_of(1).state.get(), static_cast<uint64_t>(pods::Connectivity::kReady));
}

TEST_F(Http1RelayTest, a_connection_ends_before_the_time_that_the_pod_announces) {
  Http1Pod& p = http1_pod(1);
  p.answer = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2\r\nContent-Length: 2\r\n\r\nok";
  endpoints({1});
  ask(raw(), kGet);
  run(1500ms);
  EXPECT_EQ(p.sides.size(), 2u) << "another one comes first";
  EXPECT_TRUE(p.side(0).ended);
  EXPECT_EQ(stats_of(1).failed.get(), 0u);
}

TEST_F(Http1RelayTest, a_connection_that_the_pod_closes_while_idle_makes_no_failed_call) {
  Http1Pod& p = http1_pod(1);
  endpoints({1});
  RawSide& c = raw();
  ask(c, kGet);
  p.side(0).tcp->close();
  run();
  EXPECT_NE(ask(c, kGet).find("ok"), std::string::npos);
  EXPECT_EQ(stats_of(1).failed.get(), 0u);
  EXPECT_EQ(p.sides.size(), 2u);
}

TEST_F(Http1RelayTest, a_request_lost_on_a_kept_connection_is_repeated_when_it_is_idempotent) {
  Http1Pod& p = http1_pod(1);
  endpoints({1});
  RawSide& c = raw();
  ask(c, kGet);
  p.answers = false;
  ask(c, kGet);
  ASSERT_EQ(p.requests.size(), 2u);
  p.answers = true;
  p.side(0).tcp->abort();
  run();
  EXPECT_NE(c.heard.find("ok"), std::string::npos);
  EXPECT_EQ(worker->relay.stale_retries.get(), 1u);
  EXPECT_EQ(stats_of(1).failed.get(), 0u);
}

TEST_F(Http1RelayTest, a_POST_lost_on_a_kept_connection_is_not_repeated) {
  Http1Pod& p = http1_pod(1);
  endpoints({1});
  RawSide& c = raw();
  ask(c, kGet);
  p.answers = false;
  ask(c, "POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 0\r\n\r\n");
  p.side(0).tcp->abort();
  run();
  EXPECT_EQ(c.heard.substr(0, 12), "HTTP/1.1 503");
  EXPECT_EQ(worker->relay.stale_losses.get(), 1u);
  EXPECT_EQ(p.requests.size(), 2u);
}

TEST_F(Http1RelayTest, a_first_request_lost_on_a_connection_that_was_idle_counts_as_stale) {
  Http1Pod& p = http1_pod(1);
  for (const bool idempotent : {true, false}) {
    endpoints({1});
    run(1s);  // the connection is opened ahead, and waits
    const size_t asked = p.requests.size();
    p.answers = false;
    RawSide& c = raw();
    ask(c, idempotent ? kGet : "POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 0\r\n\r\n");
    ASSERT_EQ(p.requests.size(), asked + 1);
    p.answers = true;
    p.side(p.sides.size() - 1).tcp->abort();
    run();
    EXPECT_EQ(c.heard.find("ok") != std::string::npos, idempotent) << c.heard;
    endpoints({});
    run(1s);
  }
  EXPECT_EQ(worker->relay.stale_retries.get(), 1u);
  EXPECT_EQ(worker->relay.stale_losses.get(), 1u);
}

TEST_F(Http1RelayTest, a_request_lost_on_a_fresh_connection_is_not_repeated) {
  Http1Pod& p = http1_pod(1);
  endpoints({1});
  p.answers = false;
  RawSide& c = raw();
  ask(c, kGet);
  p.side(0).tcp->abort();
  run();
  EXPECT_EQ(c.heard.substr(0, 12), "HTTP/1.1 503");
  EXPECT_EQ(worker->relay.stale_retries.get(), 0u);
}

TEST_F(Http1RelayTest, a_pod_that_ends_the_connection_behind_each_answer_serves_all_requests) {
  Http1Pod& p = http1_pod(1);
  p.answer = "HTTP/1.0 200 OK\r\n\r\nhello";
  p.closes = true;
  endpoints({1});
  RawSide& c = raw();
  for (int i = 0; i < 300; ++i) {
    ASSERT_NE(ask(c, kGet).find("5\r\nhello\r\n0\r\n\r\n"), std::string::npos) << i;
  }
  EXPECT_EQ(stats_of(1).failed.get(), 0u);
}

TEST_F(Http1RelayTest, a_truncated_answer_of_a_pod_stays_truncated_for_both_versions) {
  Http1Pod& p = http1_pod(1);
  p.answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
  p.closes = true;
  endpoints({1});
  RawSide& c = raw();
  EXPECT_EQ(ask(c, kGet), "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello");
  EXPECT_TRUE(c.ended);
  Peer& h2 = client();
  FieldList get = http2::request("/");
  call(h2, true, get);
  EXPECT_TRUE(heard(h2).reset);
}

TEST_F(Http1RelayTest, a_cancelled_call_resets_its_connection_to_the_pod) {
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  Peer& c = client();
  http2::Stream* s = call(c);
  c.h2->reset(*s, ErrorCode::kCancel);
  run();
  EXPECT_TRUE(p.side(0).reset);
  EXPECT_EQ(in_flight(1), 0u);
}

TEST_F(Http1RelayTest, an_answer_with_two_lengths_is_502_and_its_connection_is_not_kept) {
  Http1Pod& p = http1_pod(1);
  p.answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok";
  endpoints({1});
  RawSide& c = raw();
  EXPECT_EQ(ask(c, kGet).substr(0, 12), "HTTP/1.1 502");
  EXPECT_TRUE(p.side(0).ended || p.side(0).closed);
  EXPECT_EQ(lower.http1_stats.broken_answers.get(), 1u);
}

TEST_F(Http1RelayTest, a_large_answer_to_a_client_that_does_not_read_is_held_back_at_the_pod) {
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  RawSide& c = raw();
  c.paused = true;
  ask(c, kGet);
  constexpr size_t kBody = 4'000'000;
  p.side(0).say("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kBody) + "\r\n\r\n");
  for (size_t i = 0; i < kBody / 1000; ++i) p.side(0).say(std::string(1000, 'x'));
  run();
  EXPECT_GT(p.side(0).tcp->send_queue().size(), kBody / 4);
  c.resume();
  run(2s);
  EXPECT_GT(c.heard.size(), kBody);
}

TEST_F(Http1RelayTest, a_reload_that_changes_the_protocol_replaces_the_connections) {
  endpoints({1});
  RawSide& c = raw();
  EXPECT_NE(ask(c, kGet).find("pod1"), std::string::npos);
  Http1Pod& p = http1_pod(1);
  adopt();
  run();
  EXPECT_NE(ask(c, kGet).find("ok"), std::string::npos);
  EXPECT_EQ(p.requests.size(), 1u);
}

constexpr std::string_view kUpgrade =
    "GET /chat HTTP/1.1\r\nHost: vip\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

// Answers an Upgrade that the pod has heard.
std::string switching(const std::string& request) {
  const std::string name = "sec-websocket-key: ";
  const std::string key = request.substr(request.find(name) + name.size(), 24);
  return "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Accept: " +
         std::string(http1::view(http1::accept_of(key))) + "\r\n\r\n";
}

TEST_F(Http1RelayTest, a_WebSocket_reaches_a_pod_of_HTTP_1_1) {
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  RawSide& c = raw();
  ask(c, kUpgrade);
  ASSERT_EQ(p.requests.size(), 1u);
  p.side(0).say(switching(p.requests[0]) + "hello");
  run();
  EXPECT_EQ(c.heard,
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello");
  EXPECT_EQ(ask(c, "ping"), "");
  EXPECT_EQ(p.side(0).heard, "ping");
  EXPECT_EQ(in_flight(1), 1u);
  // The client's FIN reaches the pod, and the pod's last words reach the client.
  c.tcp->close();
  p.side(0).tcp_closes = false;
  run();
  EXPECT_TRUE(p.side(0).ended);
  p.side(0).say("bye");
  run();
  EXPECT_EQ(c.heard, "bye");
  p.side(0).tcp->close();
  run();
  EXPECT_TRUE(c.ended || c.closed);
  EXPECT_EQ(in_flight(1), 0u);
}

TEST_F(Http1RelayTest, a_pod_that_ignores_an_Upgrade_answers_its_client_of_HTTP_1_1) {
  Http1Pod& p = http1_pod(1);
  endpoints({1});
  for (const auto& [answer, end] : std::vector<std::pair<std::string, std::string>>{
           {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain", "\r\n\r\nplain"},
           {"HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
            "Transfer-Encoding: chunked\r\n\r\n5\r\nplain\r\n0\r\n\r\n",
            "5\r\nplain\r\n0\r\n\r\n"},
           {"HTTP/1.1 204 No Content\r\n\r\n", "\r\n\r\n"}}) {
    p.answer = answer;
    RawSide& c = raw();
    const std::string heard = ask(c, kUpgrade);
    EXPECT_EQ(heard.substr(0, 12), answer.substr(0, 12));
    EXPECT_TRUE(heard.ends_with(end)) << heard;
    EXPECT_EQ(heard.find("upgrade:"), std::string::npos) << heard;
    EXPECT_NE(heard.find("connection: close\r\n"), std::string::npos) << heard;
    EXPECT_TRUE(c.ended);
    EXPECT_EQ(in_flight(1), 0u);
  }
  EXPECT_EQ(lower.http1_stats.broken_answers.get(), 0u);
  EXPECT_EQ(lower.http1_stats.tunnels.get(), 0u);
}

TEST_F(Http1RelayTest, the_end_of_a_pods_connection_ends_such_an_answer) {
  Http1Pod& p = http1_pod(1);
  p.answer = "HTTP/1.1 200 OK\r\n\r\nall";
  p.closes = true;
  endpoints({1});
  EXPECT_TRUE(ask(raw(), kUpgrade).ends_with("3\r\nall\r\n0\r\n\r\n"));
}

TEST_F(Http1RelayTest, bytes_behind_an_Upgrade_that_the_pod_ignored_are_no_request) {
  Http1Pod& p = http1_pod(1);
  endpoints({1});
  RawSide& c = raw();
  ask(c, std::string(kUpgrade) + std::string(kGet));
  EXPECT_EQ(p.requests.size(), 1u);
  EXPECT_TRUE(c.ended);
}

TEST_F(Http1RelayTest, call_timeout_holds_for_an_answer_to_an_Upgrade_that_the_pod_ignored) {
  Http1Pod& p = http1_pod(1);
  p.answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\npl";
  snapshot.services[0].call_timeout = 1s;
  endpoints({1});
  RawSide& c = raw();
  ask(c, kUpgrade);
  EXPECT_EQ(in_flight(1), 1u);
  run(2s);
  EXPECT_EQ(in_flight(1), 0u);
  EXPECT_TRUE(c.ended || c.closed);
}

TEST_F(Http1RelayTest, a_pod_that_ignores_an_Upgrade_is_502_for_a_client_of_HTTP_2) {
  Http1Pod& p = http1_pod(1);
  snapshot.listeners[0].connect = config::Connect::kPass;
  endpoints({1});
  Peer& c = client();
  call(c, false, websocket());
  EXPECT_EQ(p.requests.size(), 1u);
  EXPECT_EQ(field(heard(c).headers, Name::kStatus), "502");
  EXPECT_EQ(heard(c).body, "");
  EXPECT_TRUE(heard(c).ended);
  EXPECT_TRUE(p.side(0).closed);
  EXPECT_EQ(in_flight(1), 0u);
}

TEST_F(Http1RelayTest, a_WebSocket_of_HTTP_1_1_is_noted_as_its_client_sees_it) {
  snapshot.access_log.file = "log";
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  RawSide& c = raw();
  ask(c, kUpgrade);
  p.side(0).say(switching(p.requests.at(0)));
  run();
  c.tcp->abort();
  run();
  auto a = worker->access().pop();
  ASSERT_TRUE(a);
  EXPECT_EQ(a->text(stats::Access::Text::kMethod), "GET");
  EXPECT_EQ(a->status, 101);
  ask(raw(), kUpgrade);
  p.sides.back()->say("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  run();
  a = worker->access().pop();
  ASSERT_TRUE(a);
  EXPECT_EQ(a->text(stats::Access::Text::kMethod), "GET");
  EXPECT_EQ(a->status, 403);
}

TEST_F(Http1RelayTest, the_access_log_has_the_request_of_a_WebSocket_that_has_ended) {
  using Text = stats::Access::Text;
  snapshot.access_log.file = "log";
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  for (const bool logged : {true, false}) {
    RawSide& c = raw();
    std::string request(kUpgrade);
    request.insert(request.size() - 2, "User-Agent: browser\r\nX-Request-Id: r1\r\n");
    if (!logged) {  // the log is switched on while the tunnel is open
      snapshot.access_log.file = "";
      endpoints({1});
    }
    ask(c, request);
    p.side(p.requests.size() - 1).say(switching(p.requests.back()));
    run();
    EXPECT_TRUE(c.heard.starts_with("HTTP/1.1 101 "));
    snapshot.access_log.file = "log";
    endpoints({1});
    c.tcp->abort();
    run();
    const auto a = worker->access().pop();
    ASSERT_TRUE(a);
    EXPECT_EQ(a->result, stats::Result::k2xx);
    EXPECT_EQ(a->text(Text::kPath), logged ? "/chat" : "");
    EXPECT_EQ(a->text(Text::kMethod), logged ? "GET" : "");
    EXPECT_EQ(a->text(Text::kAuthority), logged ? "vip" : "");
    EXPECT_EQ(a->text(Text::kUserAgent), logged ? "browser" : "");
    EXPECT_EQ(a->text(Text::kRequestId), logged ? "r1" : "");
  }
}

TEST_F(Http1RelayTest, a_WebSocket_at_the_path_of_health_reaches_the_pod) {
  snapshot.listeners[0].health_path = "/chat";
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  ask(raw(), kUpgrade);
  EXPECT_EQ(p.requests.size(), 1u);
}

TEST_F(Http1RelayTest, a_WebSocket_reaches_a_pod_of_HTTP_2_that_offers_extended_CONNECT) {
  pod(1).config.pass_connect = true;
  pod(1).way = TestPod::Way::kHeadersOnly;
  endpoints({1});
  RawSide& c = raw();
  EXPECT_NE(ask(c, kUpgrade).find("HTTP/1.1 101 "), std::string::npos);
  EXPECT_EQ(field(pod(1).peer().owner.streams[1].headers, Name::kProtocol), "websocket");
  ask(c, "ping");
  EXPECT_EQ(pod(1).peer().owner.streams[1].body, "ping");
}

TEST_F(Http1RelayTest, a_WebSocket_of_HTTP_2_reaches_a_pod_of_HTTP_1_1) {
  snapshot.listeners[0].connect = config::Connect::kPass;
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  Peer& c = client();
  FieldList f;
  f.add(Name::kMethod, "CONNECT");
  f.add(Name::kProtocol, "websocket");
  f.add(Name::kScheme, "http");
  f.add(Name::kAuthority, "vip");
  f.add(Name::kPath, "/chat");
  http2::Stream* s = call(c, false, f);
  body(c, s, "early", false);
  ASSERT_EQ(p.requests.size(), 1u);
  EXPECT_EQ(p.side(0).heard, "") << "nothing before the pod has switched";
  p.side(0).say(switching(p.requests[0]) + "hello");
  run();
  EXPECT_EQ(field(heard(c).headers, Name::kStatus), "200");
  EXPECT_EQ(heard(c).body, "hello");
  EXPECT_EQ(p.side(0).heard, "early");
}

TEST_F(Http1RelayTest, a_pod_that_resets_a_tunnel_resets_the_stream_with_the_code_of_tunnels) {
  snapshot.listeners[0].connect = config::Connect::kPass;
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  Peer& c = client();
  FieldList f;
  f.add(Name::kMethod, "CONNECT");
  f.add(Name::kProtocol, "websocket");
  f.add(Name::kScheme, "http");
  f.add(Name::kAuthority, "vip");
  f.add(Name::kPath, "/chat");
  call(c, false, f);
  ASSERT_EQ(p.requests.size(), 1u);
  p.side(0).say(switching(p.requests[0]));
  run();
  p.side(0).tcp->abort();
  run();
  EXPECT_EQ(heard(c).code, ErrorCode::kCancel);
  FieldList plain;
  plain.add(Name::kMethod, "CONNECT");
  plain.add(Name::kAuthority, "db:5432");
  call(c, false, plain);
  ASSERT_EQ(p.requests.size(), 2u);
  p.sides.back()->say("HTTP/1.1 200 OK\r\n\r\n");
  run();
  p.sides.back()->tcp->abort();
  run();
  EXPECT_EQ(heard(c, 3).code, ErrorCode::kConnectError);
}

TEST_F(Http1RelayTest, a_pod_that_resets_a_WebSocket_resets_its_client) {
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  RawSide& c = raw();
  ask(c, kUpgrade);
  p.side(0).say(switching(p.requests.at(0)));
  run();
  p.side(0).tcp->abort();
  run();
  EXPECT_TRUE(c.closed && c.reset);
}

TEST_F(Http1RelayTest, a_pod_that_resets_a_tunnel_behind_its_own_end_resets_the_client) {
  snapshot.listeners[0].connect = config::Connect::kPass;
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  RawSide& c = raw();
  ask(c, kUpgrade);
  p.side(0).say(switching(p.requests.at(0)) + "bye");
  p.side(0).tcp->close();
  run();
  EXPECT_TRUE(c.ended);
  ask(c, "more");
  EXPECT_EQ(p.side(0).heard, "more") << "half-closed";
  p.side(0).tcp->abort();
  run();
  EXPECT_TRUE(c.closed && c.reset);

  Peer& h2 = client();
  FieldList f;
  f.add(Name::kMethod, "CONNECT");
  f.add(Name::kAuthority, "db:5432");
  call(h2, false, f);
  p.sides.back()->say("HTTP/1.1 200 OK\r\n\r\n");
  p.sides.back()->tcp->close();
  run();
  EXPECT_TRUE(heard(h2).ended);
  p.sides.back()->tcp->abort();
  run();
  EXPECT_EQ(heard(h2).code, ErrorCode::kConnectError);
}

TEST_F(Http1RelayTest, a_pod_that_never_answers_an_Upgrade_is_held_to_call_timeout) {
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  snapshot.services[0].call_timeout = 1s;
  endpoints({1});
  RawSide& c = raw();
  ask(c, kUpgrade);
  run(2s);
  EXPECT_EQ(c.heard.find("HTTP/1.1 504"), 0u) << c.heard;
  EXPECT_EQ(in_flight(1), 0u);
}

TEST_F(Http1RelayTest, a_tunnel_that_no_pod_takes_is_refused_in_HTTPs_own_words) {
  endpoints({});
  RawSide& c = raw();
  std::string request(kUpgrade);
  request.insert(request.size() - 2, "Content-Type: application/grpc\r\n");
  ask(c, request);
  run(10s);
  EXPECT_EQ(c.heard.find("HTTP/1.1 503"), 0u) << c.heard;
}

TEST_F(Http1RelayTest, a_WebSocket_of_which_the_pod_has_ended_its_side_is_not_silent_for_ever) {
  snapshot.listeners[0].connect = config::Connect::kPass;
  snapshot.guards.stall_timeout = 20s;
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  endpoints({1});
  Peer& c = client();
  http2::Stream* s = call(c, false, websocket());
  p.side(0).say(switching(p.requests.at(0)));
  run();
  run(60s);
  ASSERT_EQ(in_flight(1), 1u) << "an open one may be silent";
  p.side(0).tcp->close();
  run();
  for (int i = 0; i < 4; ++i) {
    run(15s);
    body(c, s, "tick", false);
  }
  EXPECT_EQ(p.side(0).heard, "ticktickticktick");
  EXPECT_EQ(in_flight(1), 1u) << "something moves";
  run(25s);
  EXPECT_EQ(in_flight(1), 0u);
  EXPECT_TRUE(heard(c).reset || heard(c).ended);
  EXPECT_TRUE(p.side(0).closed);
}

TEST_F(Http1RelayTest, a_WebSocket_of_which_the_client_has_ended_its_side_is_not_silent_for_ever) {
  snapshot.listeners[0].connect = config::Connect::kPass;
  snapshot.guards.stall_timeout = 20s;
  pod(1).config.pass_connect = true;
  pod(1).way = TestPod::Way::kHeadersOnly;
  endpoints({1});
  Peer& c = client();
  http2::Stream* s = call(c, false, websocket());
  run(60s);
  ASSERT_EQ(in_flight(1), 1u);
  body(c, s, "", true);
  run(25s);
  EXPECT_EQ(in_flight(1), 0u);
  EXPECT_TRUE(heard(c).reset);
}

TEST_F(Http1RelayTest, a_WebSocket_outlives_call_timeout) {
  Http1Pod& p = http1_pod(1);
  p.answers = false;
  snapshot.services[0].call_timeout = 1s;
  endpoints({1});
  RawSide& c = raw();
  ask(c, kUpgrade);
  p.side(0).say(switching(p.requests.at(0)));
  run();
  run(5s);
  EXPECT_FALSE(c.closed || c.ended);
}

}  // namespace
}  // namespace sluice::relay
