// What metrics and the access log get of a call at its end, and the answer at health_path.

#include "relay/result.h"
#include "fixture.h"
#include "stats/results.h"

namespace sluice::relay {
namespace {

using stats::Access;
using stats::Result;

class ResultTest : public RelayTest {
 protected:
  stats::Requests& requests() { return worker->listener(0).requests; }
  uint64_t count(Result r) { return requests().results[static_cast<size_t>(r)].get(); }
  uint64_t total() {
    uint64_t n = 0;
    for (const stats::Counter& c : requests().results) n += c.get();
    return n;
  }
  uint64_t durations() {
    uint64_t n = 0;
    for (size_t i = 0; i <= stats::Durations::kBounds; ++i) n += requests().durations.bucket(i);
    return n;
  }
  void expect_only(Result r, uint64_t n = 1) {
    EXPECT_EQ(count(r), n) << stats::text_of(r);
    EXPECT_EQ(total(), n);
    EXPECT_EQ(durations(), n);
  }
  static FieldList plain() { return http2::request("/index.html?key=secret"); }
};

TEST_F(ResultTest, a_call_of_grpc_counts_by_its_status) {
  endpoints({1});
  call(client());
  expect_only(Result::kOk);
}

TEST_F(ResultTest, a_call_of_http_counts_by_the_class_of_its_status) {
  endpoints({1});
  call(client(), true, plain());
  expect_only(Result::k2xx);
}

TEST_F(ResultTest, a_duration_is_that_from_the_request_to_the_end_for_the_client) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  call(client());
  run(50ms);
  EXPECT_EQ(total(), 0u) << "it has not ended";
  pod(1).answer(pod(1).peer(), *pod(1).last);
  run();
  expect_only(Result::kOk);
  EXPECT_GE(requests().durations.sum_ns(), 50'000'000u);
  EXPECT_EQ(requests().durations.bucket(10), 1u) << "between 33.6 and 67.1 ms";
}

TEST_F(ResultTest, a_call_that_its_client_cancels_is_CANCELLED_or_incomplete) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  c.h2->reset(*call(c), ErrorCode::kCancel);
  run();
  expect_only(Result::kCancelled);
  c.h2->reset(*call(c, true, plain()), ErrorCode::kCancel);
  run();
  EXPECT_EQ(count(Result::kIncomplete), 1u);
}

TEST_F(ResultTest, a_call_that_no_pod_takes_counts_as_its_client_is_told) {
  endpoints({});
  Peer& c = client();
  call(c);
  expect_only(Result::kUnavailable);
  call(c, true, plain());
  EXPECT_EQ(count(Result::k5xx), 1u);
}

TEST_F(ResultTest, an_answer_that_is_cut_is_incomplete_whatever_its_status) {
  endpoints({1});
  pod(1).way = TestPod::Way::kHeadersOnly;
  Peer& c = client();
  call(c, true, plain());
  pod(1).peer().tcp->abort();
  run();
  expect_only(Result::kIncomplete);
}

TEST_F(ResultTest, a_reset_by_the_pod_has_the_status_that_the_client_makes_of_it) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  call(client());
  pod(1).peer().h2->reset(*pod(1).last, ErrorCode::kEnhanceYourCalm);
  run();
  expect_only(Result::kResourceExhausted);
}

TEST_F(ResultTest, an_early_answer_counts_once_though_the_request_goes_on) {
  endpoints({1});
  pod(1).way = TestPod::Way::kEarly;
  call(client(), false);
  expect_only(Result::kOk);
}

TEST_F(ResultTest, texts_that_are_no_status_are_UNKNOWN) {
  EXPECT_EQ(grpc_result("16"), Result::kUnauthenticated);
  for (const char* text : {"", "17", "x", ":", "-1", "007", "99999999999", "1 ", "0x"})
    EXPECT_EQ(grpc_result(text), Result::kUnknown) << text;
  EXPECT_EQ(http_result("404"), Result::k4xx);
}

TEST_F(ResultTest,
       a_gRPC_call_that_is_answered_without_grpc_status_has_the_one_of_its_http_status) {
  EXPECT_EQ(grpc_result_of_http("400"), Result::kInternal);
  EXPECT_EQ(grpc_result_of_http("401"), Result::kUnauthenticated);
  EXPECT_EQ(grpc_result_of_http("403"), Result::kPermissionDenied);
  EXPECT_EQ(grpc_result_of_http("404"), Result::kUnimplemented);
  for (const char* text : {"429", "502", "503", "504"})
    EXPECT_EQ(grpc_result_of_http(text), Result::kUnavailable) << text;
  for (const char* text : {"204", "302", "418", "500"})
    EXPECT_EQ(grpc_result_of_http(text), Result::kUnknown) << text;
}

TEST_F(ResultTest, a_proxys_page_in_the_place_of_an_answer_is_no_OK) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  call(client());
  FieldList page;
  page.add(Name::kStatus, "503");
  page.add(Name::kContentType, "text/html");
  pod(1).peer().h2->send_headers(*pod(1).last, page, false);
  pod(1).peer().h2->send_data(*pod(1).last, buffers.slice("busy"), true);
  run();
  expect_only(Result::kUnavailable);
}

TEST_F(ResultTest, a_client_that_leaves_with_a_part_of_the_answer_has_not_got_it) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  c.owner.data_hook = [](http2::Stream&, const buf::Slice&, bool) {};  // reads nothing
  http2::Stream* s = call(c, true, plain());
  pod(1).peer().h2->send_headers(*pod(1).last, http2::response(), false);
  body(pod(1).peer(), pod(1).last, std::string(100'000, 'x'), true);
  ASSERT_FALSE(heard(c).ended) << "more than the client's window";
  ASSERT_EQ(in_flight(1), 0u) << "the pod's answer is whole";
  c.h2->reset(*s, ErrorCode::kCancel);
  run();
  expect_only(Result::kIncomplete);
}

TEST_F(ResultTest, durations_double_from_bucket_to_bucket) {
  stats::Durations d;
  d.record(0ns);
  d.record(65'535ns);
  d.record(65'536ns);
  d.record(24h);
  EXPECT_EQ(d.bucket(0), 2u);
  EXPECT_EQ(d.bucket(1), 1u);
  EXPECT_EQ(d.bucket(stats::Durations::kBounds), 1u);
  EXPECT_EQ(stats::Durations::bound(0), 65'536ns);
}

class AccessTest : public ResultTest {
 protected:
  void log(config::AccessLog how) {
    how.file = "log";
    snapshot.access_log = how;
    endpoints({1});
  }
  static FieldList described() {
    FieldList f = plain();
    f.add("x-request-id", "r1");
    f.add("user-agent", "curl");
    f.add("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    return f;
  }
};

TEST_F(AccessTest, a_note_has_what_the_worker_knows_of_the_call) {
  log({});
  call(client(), true, described());
  const auto a = worker->access().pop();
  ASSERT_TRUE(a);
  EXPECT_EQ(a->result, Result::k2xx);
  EXPECT_EQ(a->status, 200);
  EXPECT_EQ(a->tries, 1);
  EXPECT_EQ(a->pod, 1u);
  EXPECT_EQ(a->answer_bytes, 4u);
  EXPECT_GE(a->first_byte.count(), 0);
  EXPECT_STREQ(a->end, "");
  EXPECT_STREQ(a->protocol, "2.0");
  EXPECT_EQ(a->text(Access::Text::kPath), "/index.html") << "a query may hold secrets";
  EXPECT_EQ(a->text(Access::Text::kRequestId), "r1");
  EXPECT_EQ(a->text(Access::Text::kUserAgent), "curl");
  EXPECT_TRUE(a->text(Access::Text::kTraceParent).starts_with("00-4bf9"));
  EXPECT_FALSE(worker->access().pop());
}

TEST_F(AccessTest, the_query_is_there_where_the_configuration_wants_it) {
  log({.query = true});
  call(client(), true, plain());
  EXPECT_EQ(worker->access().pop()->text(Access::Text::kPath), "/index.html?key=secret");
}

TEST_F(AccessTest, long_texts_are_cut) {
  log({});
  call(client(), true, http2::request("/" + std::string(5'000, 'x')));
  EXPECT_EQ(worker->access().pop()->text(Access::Text::kPath).size(), 256u);
}

TEST_F(AccessTest, every_third_call_and_each_that_failed) {
  log({.one_in = 3});
  Peer& c = client();
  for (int i = 0; i < 6; ++i) call(c);
  int notes = 0;
  while (worker->access().pop()) ++notes;
  EXPECT_EQ(notes, 2);
  pod(1).way = TestPod::Way::kRefuse;
  call(c);
  run(1s);
  const auto a = worker->access().pop();
  ASSERT_TRUE(a);
  EXPECT_EQ(a->result, Result::kUnavailable);
  EXPECT_STREQ(a->end, "no pod accepted the call");
}

TEST_F(AccessTest, failures_only) {
  log({.one_in = 0});
  Peer& c = client();
  call(c);
  EXPECT_FALSE(worker->access().pop());
  pod(1).way = TestPod::Way::kSilent;
  c.h2->reset(*call(c), ErrorCode::kCancel);
  run();
  EXPECT_EQ(worker->access().pop()->result, Result::kCancelled);
}

TEST_F(AccessTest, the_end_tells_a_reset_from_a_lost_connection) {
  log({});
  pod(1).way = TestPod::Way::kSilent;
  Peer& first = client();
  first.h2->reset(*call(first), ErrorCode::kCancel);
  run();
  EXPECT_STREQ(worker->access().pop()->end, "the client reset the stream");
  Peer& second = client();
  call(second);
  second.tcp->abort();
  run();
  EXPECT_STREQ(worker->access().pop()->end, "the client's connection was lost");
  Peer& third = client();
  call(third);
  third.tcp->close();
  run();
  EXPECT_STREQ(worker->access().pop()->end, "the client closed the connection");
}

TEST_F(AccessTest, the_end_tells_that_the_client_broke_the_protocol) {
  log({});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  c.tcp->send_queue().append(buffers.slice(std::string(9, '\0')));  // DATA of stream 0
  run();
  const auto a = worker->access().pop();
  ASSERT_TRUE(a);
  EXPECT_EQ(a->result, Result::kCancelled);
  EXPECT_STREQ(a->end, "the client broke the protocol");
}

TEST_F(AccessTest, the_end_tells_a_clients_fault_in_one_stream_from_its_reset) {
  log({});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  FieldList f = plain();
  f.add("content-length", "10");
  body(c, call(c, false, f), "abc", true);
  EXPECT_EQ(heard(c).code, ErrorCode::kProtocolError);
  const auto a = worker->access().pop();
  ASSERT_TRUE(a);
  EXPECT_EQ(a->result, Result::kIncomplete);
  EXPECT_EQ(a->status, 0);
  EXPECT_STREQ(a->end, "the client broke the protocol");
}

TEST_F(AccessTest, notes_that_nobody_fetches_are_counted_and_lost) {
  log({});
  Peer& c = client();
  for (int i = 0; i < 520; ++i) call(c);
  EXPECT_EQ(worker->access().lost(), 8u);
}

TEST_F(AccessTest, without_an_access_log_there_are_no_notes) {
  endpoints({1});
  call(client());
  EXPECT_FALSE(worker->access().pop());
}

class HealthPathTest : public ResultTest {
 protected:
  HealthPathTest() { snapshot.listeners[0].health_path = "/health"; }
  std::string asked(const char* path = "/health") {
    Peer& c = client();
    call(c, true, http2::request(path));
    return field(heard(c).headers, Name::kStatus);
  }
};

TEST_F(HealthPathTest, it_is_200_while_a_pod_is_READY) {
  endpoints({1});
  EXPECT_EQ(asked(), "200");
  EXPECT_EQ(asked("/health?from=here"), "200");
  EXPECT_EQ(pod(1).requests(), 0) << "no pod is asked";
  EXPECT_EQ(total(), 0u) << "it is no call";
  asked("/healthy");
  EXPECT_EQ(pod(1).requests(), 1);
}

TEST_F(HealthPathTest, a_request_that_goes_on_gets_its_answer_too) {
  endpoints({1});
  Peer& c = client();
  call(c, false, http2::request("/health"));
  EXPECT_EQ(field(heard(c).headers, Name::kStatus), "200");
  EXPECT_EQ(asked(), "200");
}

TEST_F(HealthPathTest, it_is_503_when_no_pod_is) {
  endpoints({});
  EXPECT_EQ(asked(), "503");
  pod(1).down();
  endpoints({1});
  EXPECT_EQ(asked(), "503");
}

TEST_F(HealthPathTest, it_is_503_on_connections_of_a_listener_that_has_left_the_configuration) {
  endpoints({1});
  Peer& c = client();
  snapshot.listeners.clear();
  adopt();
  call(c, true, http2::request("/health"));
  EXPECT_EQ(field(heard(c).headers, Name::kStatus), "503");
}

TEST_F(HealthPathTest, it_is_503_from_the_announcement_of_a_drain_on) {
  endpoints({1});
  relay->begin_drain(5s, 5s);
  EXPECT_EQ(asked(), "503");
  Peer& c = client();
  call(c);
  EXPECT_EQ(heard(c).body, "pod1") << "calls go on";
}

}  // namespace
}  // namespace sluice::relay
