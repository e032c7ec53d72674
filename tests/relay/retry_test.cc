// Calls that are tried again by their service's policy, although a pod has begun them.

#include "fixture.h"

namespace sluice::relay {
namespace {

class RelayRetry : public RelayTest {
 protected:
  // With the seed of the relay, the first call goes to pod 1.
  void SetUp() override {
    policy.grpc_statuses.set(14);
    policy.backoff = policy.backoff_max = 100ms;
  }
  void start(std::vector<int> numbers = {2, 1}) {
    snapshot.services[0].retry = policy;
    endpoints(std::move(numbers));
  }
  // From now on the pod answers each request at its end with these fields, trailers only.
  void answers(int n, FieldList fields) {
    for (auto& peer : pod(n).peers) {
      Peer* p = peer.get();
      p->owner.headers_hook = [p, fields](http2::Stream& s, http2::Handler::Section, bool end) {
        if (end) p->h2->send_headers(s, fields, true);
      };
      p->owner.data_hook = [p, fields](http2::Stream& s, buf::Slice data, bool end) {
        p->h2->consumed(s, data.size());
        if (end) p->h2->send_headers(s, fields, true);
      };
    }
  }
  static FieldList status(std::string_view grpc_status, std::string_view pushback = "") {
    FieldList f = http2::response();
    f.add(Name::kContentType, "application/grpc");
    f.add(Name::kGrpcStatus, grpc_status);
    if (!pushback.empty()) f.add(Name::kGrpcRetryPushbackMs, pushback);
    return f;
  }
  static FieldList http(std::string_view code) {
    FieldList f;
    f.add(Name::kStatus, code);
    return f;
  }
  static FieldList get() {
    FieldList f;
    f.add(Name::kMethod, "GET");
    f.add(Name::kScheme, "http");
    f.add(Name::kAuthority, "pod");
    f.add(Name::kPath, "/");
    return f;
  }
  size_t requests(int n) {
    size_t all = 0;
    for (auto& p : pod(n).peers) all += p->owner.streams.size();
    return all;
  }
  const FieldList& request(int n, uint32_t id = 1) {
    return pod(n).peer().owner.streams[id].headers;
  }
  // The pod that works on the one call.
  int holder() {
    for (int n = 1; n <= kPods; ++n)
      if (in_flight(n) == 1) return n;
    return 0;
  }
  uint64_t retried() { return worker->relay.policy_retries.get(); }

  config::Retry policy;
};

TEST_F(RelayRetry, without_a_policy_an_answer_is_an_answer) {
  policy = {};
  start();
  answers(1, status("14"));
  Peer& c = client();
  call(c);
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "14");
  EXPECT_EQ(requests(2), 0u);
}

TEST_F(RelayRetry, a_status_of_the_list_is_tried_again_on_another_pod_after_the_backoff) {
  start();
  answers(1, status("14"));
  Peer& c = client();
  call(c);
  EXPECT_FALSE(heard(c).ended);
  EXPECT_EQ(in_flight(1), 0u);
  run(70ms);
  EXPECT_EQ(requests(2), 0u) << "100 ms, less 20 % at most";
  run(60ms);
  EXPECT_EQ(heard(c).body, "pod2");
  EXPECT_EQ(field(heard(c).trailers, Name::kGrpcStatus), "0");
  EXPECT_EQ(retried(), 1u);
  EXPECT_EQ(stats_of(1).retried.get(), 1u);
  EXPECT_EQ(worker->http2.resets_out.get(), 0u) << "that stream had ended on both sides";
}

TEST_F(RelayRetry, the_pod_is_told_how_many_attempts_there_were) {
  start({1, 2, 3});
  answers(1, status("14"));
  answers(2, status("14"));
  Peer& c = client();
  call(c);
  EXPECT_EQ(field(request(1), Name::kGrpcPreviousRpcAttempts), "(none)");
  run(300ms);
  EXPECT_EQ(field(request(2), Name::kGrpcPreviousRpcAttempts), "1");
  EXPECT_EQ(field(request(3), Name::kGrpcPreviousRpcAttempts), "2");
  EXPECT_EQ(heard(c).body, "pod3");
}

TEST_F(RelayRetry, a_client_that_tried_before_is_counted_on) {
  start();
  answers(1, status("14"));
  Peer& c = client();
  FieldList request_fields = grpc();
  request_fields.add(Name::kGrpcPreviousRpcAttempts, "3");
  call(c, true, request_fields);
  run(200ms);
  EXPECT_EQ(field(request(2), Name::kGrpcPreviousRpcAttempts), "4");
}

TEST_F(RelayRetry, other_statuses_are_answers) {
  start();
  answers(1, status("5"));
  Peer& c = client();
  call(c);
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "5");
}

TEST_F(RelayRetry, a_status_behind_headers_is_an_answer) {
  start();
  pod(1).way = TestPod::Way::kHeadersOnly;
  Peer& c = client();
  call(c);
  FieldList trailers;
  trailers.add(Name::kGrpcStatus, "14");
  pod(1).peer().h2->send_headers(*pod(1).last, trailers, true);
  run(200ms);
  EXPECT_EQ(field(heard(c).trailers, Name::kGrpcStatus), "14");
  EXPECT_EQ(retried(), 0u);
}

TEST_F(RelayRetry, after_the_last_attempt_the_last_answer_is_the_clients) {
  start();
  answers(1, status("14"));
  answers(2, status("14"));
  Peer& c = client();
  call(c);
  run(1s);
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "14");
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcMessage), "(none)") << "the pod's words, not ours";
  EXPECT_EQ(requests(1) + requests(2), 3u);
  EXPECT_EQ(retried(), 2u);
}

TEST_F(RelayRetry, the_backoff_doubles_up_to_its_most) {
  policy.attempts = 4;
  policy.backoff = 100ms;
  policy.backoff_max = 200ms;
  start({1});
  answers(1, status("14"));
  Peer& c = client();
  call(c);
  run(130ms);
  EXPECT_EQ(requests(1), 2u);
  run(130ms);
  EXPECT_EQ(requests(1), 2u) << "200 ms, less 20 % at most";
  run(120ms);
  EXPECT_EQ(requests(1), 3u);
  run(260ms);
  EXPECT_EQ(requests(1), 4u) << "not 400 ms";
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "14");
}

TEST_F(RelayRetry, the_body_goes_to_the_next_pod_as_well) {
  start();
  answers(1, status("14"));
  Peer& c = client();
  http2::Stream* s = call(c, false);
  body(c, s, std::string(30'000, 'b'), true);
  run(200ms);
  EXPECT_EQ(pod(2).peer().owner.streams[1].body, std::string(30'000, 'b'));
  EXPECT_EQ(heard(c).body, "pod2");
}

TEST_F(RelayRetry, a_client_that_still_sends_goes_on_to_the_next_pod) {
  start();
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  http2::Stream* s = call(c, false);
  body(c, s, "one", false);
  pod(1).peer().h2->send_headers(*pod(1).last, status("14"), true);
  run();
  EXPECT_TRUE(pod(1).peer().owner.streams[1].reset) << "the rest of the request is not for it";
  body(c, s, "two", false);
  run(200ms);
  body(c, s, "three", true);
  EXPECT_EQ(pod(2).peer().owner.streams[1].body, "onetwothree");
  EXPECT_EQ(heard(c).body, "pod2");
}

TEST_F(RelayRetry, a_request_that_the_replay_buffer_does_not_hold_is_not_tried_again) {
  start();
  answers(1, status("14"));
  Peer& c = client();
  http2::Stream* s = call(c, false);
  body(c, s, std::string(70'000, 'b'), true);
  run(200ms);
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "14");
  EXPECT_EQ(requests(2), 0u);
}

TEST_F(RelayRetry, what_comes_between_two_tries_counts_toward_the_replay_buffer) {
  snapshot.limits.replay_buffer = 2'000;
  start({2, 1, 3});
  for (int n : {1, 2, 3}) pod(n).way = TestPod::Way::kSilent;
  Peer& c = client();
  http2::Stream* s = call(c, false);
  const int first = holder();
  pod(first).peer().h2->send_headers(*pod(first).last, status("14"), true);
  run();
  body(c, s, std::string(2'500, 'b'), false);
  run(200ms);
  const int second = holder();
  ASSERT_NE(second, first);
  EXPECT_EQ(pod(second).peer().owner.streams[1].body.size(), 2'500u);
  pod(second).peer().h2->send_headers(*pod(second).last, status("14"), true);
  run(200ms);
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "14");
  EXPECT_EQ(retried(), 1u);
}

TEST_F(RelayRetry, nobody_waits_longer_between_two_tries_than_a_stream_may_be_silent) {
  snapshot.services[0].stream_idle_timeout = 1s;
  start();
  answers(1, status("14", "1500"));
  Peer& c = client();
  call(c);
  run(200ms);
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "14");
}

TEST_F(RelayRetry, a_budget_that_is_spent_passes_answers_on) {
  policy.budget_percent = 50;
  policy.budget_per_second = 0;
  policy.attempts = 2;
  start({1});
  answers(1, status("14"));
  Peer& c = client();
  for (int i = 0; i < 6; ++i) {
    call(c);
    run(200ms);
  }
  EXPECT_EQ(retried(), 3u) << "half of six";
  EXPECT_EQ(worker->relay.retry_budget_refusals.get(), 3u);
  EXPECT_EQ(requests(1), 9u);
}

TEST_F(RelayRetry, a_few_a_second_are_there_without_many_calls) {
  policy.budget_percent = 0;
  policy.budget_per_second = 2;
  policy.attempts = 2;
  start({1});
  answers(1, status("14"));
  Peer& c = client();
  for (int i = 0; i < 5; ++i) call(c);
  run(200ms);
  EXPECT_EQ(retried(), 2u);
}

TEST_F(RelayRetry, a_pod_may_say_when_to_come_again) {
  start();
  answers(1, status("14", "400"));
  Peer& c = client();
  call(c);
  run(390ms);
  EXPECT_EQ(requests(2), 0u);
  run(20ms);
  EXPECT_EQ(heard(c).body, "pod2");
}

TEST_F(RelayRetry, a_pod_may_say_not_to_come_again) {
  start({1});
  uint32_t id = 1;
  Peer& c = client();
  for (const char* pushback : {"-1", "soon", "5x", "99999999999", "3600000"}) {
    answers(1, status("14", pushback));
    call(c);
    run(200ms);
    EXPECT_EQ(field(heard(c, id).headers, Name::kGrpcStatus), "14") << pushback;
    id += 2;
  }
  EXPECT_EQ(retried(), 0u);
  EXPECT_EQ(worker->relay.retry_pushbacks.get(), 5u);
}

TEST_F(RelayRetry, the_deadline_holds_over_all_attempts_and_the_next_pod_hears_what_is_left) {
  start();
  answers(1, status("14"));
  Peer& c = client();
  FieldList request_fields = grpc();
  request_fields.add(Name::kGrpcTimeout, "500m");
  pod(2).way = TestPod::Way::kSilent;
  call(c, true, request_fields);
  run(300ms);
  const std::string left = field(request(2), Name::kGrpcTimeout);
  EXPECT_GE(left, "380000u");
  EXPECT_LE(left, "420000u");
  run(250ms);
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "4");
}

TEST_F(RelayRetry, an_answer_now_is_better_than_none_at_the_deadline) {
  start();
  answers(1, status("14"));
  Peer& c = client();
  FieldList request_fields = grpc();
  request_fields.add(Name::kGrpcTimeout, "50m");
  call(c, true, request_fields);
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "14");
  EXPECT_EQ(retried(), 0u);
}

TEST_F(RelayRetry,
       a_service_that_a_reload_replaces_has_its_pods_until_calls_have_been_tried_again) {
  policy.backoff = policy.backoff_max = 8s;  // longer than queue_timeout
  start();
  answers(1, status("14"));
  Peer& c = client();
  call(c);
  snapshot.services[0].name = "green";
  snapshot.services[0].slot = 1;
  adopt();
  run(1s);
  EXPECT_FALSE(pod(2).peers.front()->ended);
  run(11s);
  EXPECT_EQ(heard(c).body, "pod2");
  EXPECT_TRUE(pod(2).peers.front()->closed) << "nobody can call the old service any more";
}

TEST_F(RelayRetry, cancellation_ends_the_wait) {
  start();
  answers(1, status("14"));
  Peer& c = client();
  http2::Stream* s = call(c);
  c.h2->reset(*s, ErrorCode::kCancel);
  run(500ms);
  EXPECT_EQ(requests(2), 0u);
  EXPECT_EQ(worker->relay.streams.get(), 0u);
}

TEST_F(RelayRetry, http_statuses_are_for_methods_that_may_be_repeated) {
  policy.http_statuses.set(503);
  start();
  answers(1, http("503"));
  Peer& c = client();
  call(c, true, get());
  run(200ms);
  EXPECT_EQ(field(heard(c).headers, Name::kStatus), "200");
  EXPECT_EQ(heard(c).body, "pod2");
  call(c, true, http2::request());  // POST; to pod 1 or 2 in turn
  call(c, true, http2::request());
  run(200ms);
  EXPECT_EQ(retried(), 1u);
}

TEST_F(RelayRetry, an_operator_may_know_that_everything_may_be_repeated) {
  policy.http_statuses.set(503);
  policy.idempotent = true;
  start();
  answers(1, http("503"));
  Peer& c = client();
  call(c, true, http2::request());
  run(200ms);
  EXPECT_EQ(heard(c).body, "pod2");
}

TEST_F(RelayRetry, an_answer_with_a_body_that_is_not_wanted_is_cancelled) {
  policy.http_statuses.set(503);
  start();
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c, true, get());
  pod(1).peer().h2->send_headers(*pod(1).last, http("503"), false);
  run(200ms);
  EXPECT_EQ(heard(c).body, "pod2");
  EXPECT_TRUE(pod(1).peer().owner.streams[1].reset);
}

TEST_F(RelayRetry, resets_and_losses_are_tried_again_where_that_is_said) {
  policy.resets = policy.idempotent = true;
  start();
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  pod(1).peer().h2->reset(*pod(1).last, ErrorCode::kInternalError);
  run(200ms);
  EXPECT_EQ(heard(c).body, "pod2");
  call(c);
  run();
  ASSERT_EQ(in_flight(1), 1u);
  pod(1).peer().tcp->abort();
  run(200ms);
  EXPECT_EQ(heard(c, 3).body, "pod2");
  EXPECT_EQ(retried(), 2u);
}

TEST_F(RelayRetry, without_a_word_about_resets_they_are_passed_on) {
  policy.idempotent = true;
  start();
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  pod(1).peer().h2->reset(*pod(1).last, ErrorCode::kCancel);
  run(200ms);
  EXPECT_EQ(heard(c).code, ErrorCode::kCancel);
  EXPECT_EQ(requests(2), 0u);
}

TEST_F(RelayRetry, a_try_without_an_answer_ends_and_another_pod_is_asked) {
  policy.per_try_timeout = 300ms;
  policy.idempotent = true;
  start();
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  run(290ms);
  EXPECT_EQ(in_flight(1), 1u);
  run(20ms);
  EXPECT_EQ(in_flight(1), 0u);
  EXPECT_EQ(pod(1).peer().owner.streams[1].code, ErrorCode::kCancel);
  run(200ms);
  EXPECT_EQ(heard(c).body, "pod2");
  EXPECT_EQ(worker->relay.try_timeouts.get(), 1u);
}

TEST_F(RelayRetry, when_no_try_is_answered_the_client_hears_deadline_exceeded) {
  policy.per_try_timeout = 300ms;
  policy.idempotent = true;
  policy.attempts = 2;
  start();
  pod(1).way = pod(2).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  run(1s);
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "4");
  EXPECT_EQ(worker->relay.try_timeouts.get(), 2u);
}

TEST_F(RelayRetry, what_cannot_be_repeated_has_the_time_that_it_needs) {
  policy.per_try_timeout = 300ms;
  start();
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  run(2s);
  EXPECT_EQ(in_flight(1), 1u);
  EXPECT_EQ(worker->relay.try_timeouts.get(), 0u);
}

TEST_F(RelayRetry, a_try_is_timed_from_the_end_of_the_request_to_the_answers_headers) {
  policy.per_try_timeout = 300ms;
  policy.idempotent = true;
  start();
  pod(1).way = TestPod::Way::kHeadersOnly;
  Peer& c = client();
  http2::Stream* s = call(c, false);
  run(2s);
  body(c, s, "end", true);
  run(2s);
  EXPECT_EQ(in_flight(1), 1u) << "it has answered";
  EXPECT_EQ(worker->relay.try_timeouts.get(), 0u);
}

TEST_F(RelayRetry, calls_that_wait_to_be_tried_again_end_with_the_drain) {
  policy.backoff = policy.backoff_max = 10s;
  start();
  answers(1, status("14"));
  Peer& c = client();
  call(c);
  relay->begin_drain(0s, 1s);
  run(3s);
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "14");
  EXPECT_TRUE(relay->drained());
}

}  // namespace
}  // namespace sluice::relay
