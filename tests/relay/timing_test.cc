// What ends a call because of time: in which words, and what the pod hears.

#include "fixture.h"
#include "relay/grpc_timeout.h"

namespace sluice::relay {
namespace {

TEST(GrpcTimeout, every_unit_is_read_and_what_the_grammar_forbids_is_not) {
  EXPECT_EQ(parse_grpc_timeout("2H"), 2h);
  EXPECT_EQ(parse_grpc_timeout("3M"), 3min);
  EXPECT_EQ(parse_grpc_timeout("4S"), 4s);
  EXPECT_EQ(parse_grpc_timeout("5m"), 5ms);
  EXPECT_EQ(parse_grpc_timeout("6u"), 6us);
  EXPECT_EQ(parse_grpc_timeout("7n"), 7ns);
  EXPECT_EQ(parse_grpc_timeout("0n"), 0ns);
  EXPECT_EQ(parse_grpc_timeout("99999999H"), kLongestGrpcTimeout);
  for (const char* bad : {"", "S", "1", "1s", "-1S", "+1S", " 1S", "1 S", "1.5S", "123456789S"})
    EXPECT_EQ(parse_grpc_timeout(bad), std::nullopt) << bad;
}

TEST(GrpcTimeout, it_is_written_in_the_finest_unit_that_fits_rounded_up_and_never_zero) {
  EXPECT_EQ(GrpcTimeoutText(99'999'999ns).view(), "99999999n");
  EXPECT_EQ(GrpcTimeoutText(100'000'001ns).view(), "100001u");
  EXPECT_EQ(GrpcTimeoutText(100s).view(), "100000m");
  EXPECT_EQ(GrpcTimeoutText(99'999'999us + 1ns).view(), "100000m");
  EXPECT_EQ(GrpcTimeoutText(0ns).view(), "1n");
  EXPECT_EQ(GrpcTimeoutText(-5s).view(), "1n");
}

class RelayTiming : public RelayTest {
 protected:
  static FieldList with_timeout(std::string_view timeout) {
    FieldList f = grpc();
    f.add(Name::kGrpcTimeout, timeout);
    return f;
  }
  config::Service& service() { return snapshot.services[0]; }
  std::string told(TestPod& p, uint32_t id = 1) {
    return field(p.peer().owner.streams[id].headers, Name::kGrpcTimeout);
  }
  bool cancelled(TestPod& p, uint32_t id = 1) {
    const auto& h = p.peer().owner.streams[id];
    return h.reset && h.code == ErrorCode::kCancel;
  }
};

TEST_F(RelayTiming, at_its_deadline_a_silent_call_is_told_so_and_the_pod_is_cancelled) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c, true, with_timeout("500m"));
  EXPECT_EQ(told(pod(1)), "500m");
  run(490ms);
  EXPECT_FALSE(heard(c).ended);
  run(20ms);
  EXPECT_TRUE(heard(c).ended);
  EXPECT_EQ(field(heard(c).headers, Name::kStatus), "200");
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "4");
  EXPECT_TRUE(cancelled(pod(1)));
  EXPECT_EQ(in_flight(1), 0u);
  EXPECT_EQ(worker->relay.deadlines.get(), 1u);
}

TEST_F(RelayTiming, after_the_response_began_the_deadline_comes_in_trailers) {
  endpoints({1});
  pod(1).way = TestPod::Way::kHeadersOnly;
  Peer& c = client();
  call(c, true, with_timeout("500m"));
  run(510ms);
  EXPECT_TRUE(heard(c).ended);
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "(none)");
  EXPECT_EQ(field(heard(c).trailers, Name::kGrpcStatus), "4");
  EXPECT_TRUE(cancelled(pod(1)));
}

TEST_F(RelayTiming, a_client_that_still_sends_is_answered_at_the_deadline_too) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  http2::Stream* s = call(c, false, with_timeout("500m"));
  body(c, s, "hello", false);
  run(510ms);
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "4");
  EXPECT_TRUE(heard(c).reset);
  EXPECT_EQ(heard(c).code, ErrorCode::kNoError);
}

TEST_F(RelayTiming, the_deadline_counts_from_the_arrival_and_holds_while_no_pod_is_ready) {
  pod(1).down();
  outside.cut = true;  // the connect is not even refused
  endpoints({1});
  outside.cut = false;
  Peer& c = client();
  outside.stack.flush(now);
  call(c, true, with_timeout("300m"));
  run(310ms);
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "4");
  EXPECT_EQ(worker->relay.queued_streams.get(), 0u);
}

TEST_F(RelayTiming, a_pod_is_told_what_is_left_after_the_wait_for_it) {
  service().connect_timeout = 5s;
  outside.cut = true;  // the answer to the connect is lost; the next one comes after a second
  endpoints({1});
  outside.cut = false;
  Peer& c = client();
  call(c, true, with_timeout("4S"));
  run(3s);
  ASSERT_EQ(heard(c).body, "pod1");
  const auto left = parse_grpc_timeout(told(pod(1)));
  ASSERT_TRUE(left);
  EXPECT_LT(*left, 3500ms);
  EXPECT_GT(*left, 1s);
}

TEST_F(RelayTiming, a_second_pod_is_told_what_the_first_one_left) {
  endpoints({1, 2});
  pod(1).way = pod(2).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c, true, with_timeout("2S"));
  TestPod& first = pod(1).requests() == 1 ? pod(1) : pod(2);
  TestPod& second = &first == &pod(1) ? pod(2) : pod(1);
  run(500ms);
  first.peer().h2->reset(*first.last, ErrorCode::kRefusedStream);
  run();
  EXPECT_EQ(told(first), "2S");
  EXPECT_EQ(parse_grpc_timeout(told(second)), 1500ms);
}

TEST_F(RelayTiming, a_deadline_that_has_passed_already_reaches_no_pod) {
  endpoints({1});
  Peer& c = client();
  call(c, true, with_timeout("0n"));
  EXPECT_EQ(field(heard(c).headers, Name::kGrpcStatus), "4");
  EXPECT_EQ(pod(1).requests(), 0);
}

TEST_F(RelayTiming, a_malformed_or_repeated_timeout_passes_and_binds_nobody_here) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c, true, with_timeout("1s"));
  FieldList twice = with_timeout("1m");
  twice.add(Name::kGrpcTimeout, "2m");
  call(c, true, twice);
  run(10s);
  EXPECT_EQ(told(pod(1)), "1s");
  EXPECT_EQ(told(pod(1), 3), "1m");
  EXPECT_FALSE(heard(c, 1).ended);
  EXPECT_FALSE(heard(c, 3).ended);
}

TEST_F(RelayTiming, by_default_nothing_ends_a_silent_stream) {
  EXPECT_EQ(config::Timeouts{}.call, 0s);
  EXPECT_EQ(config::Timeouts{}.stream_idle, 0s);
  EXPECT_EQ(config::Timeouts{}.max_stream_age, 0s);
  endpoints({1});
  pod(1).way = TestPod::Way::kHeadersOnly;
  Peer& c = client();
  call(c, false);
  run(20s);
  EXPECT_FALSE(heard(c).ended);
  EXPECT_EQ(in_flight(1), 1u);
}

TEST_F(RelayTiming, timeout_ends_a_call_without_a_deadline_and_shortens_what_a_pod_is_told) {
  service().call_timeout = 1s;
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  call(c, true, with_timeout("60S"));
  EXPECT_EQ(parse_grpc_timeout(told(pod(1), 3)), 1s);
  run(1010ms);
  for (const uint32_t id : {1u, 3u}) {
    EXPECT_EQ(field(heard(c, id).headers, Name::kGrpcStatus), "4");
    EXPECT_TRUE(cancelled(pod(1), id));
  }
  EXPECT_EQ(worker->relay.call_timeouts.get(), 2u);
}

TEST_F(RelayTiming, a_client_that_does_not_speak_grpc_gets_504) {
  service().call_timeout = 1s;
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c, true, http2::request("/"));
  run(1010ms);
  EXPECT_EQ(field(heard(c).headers, Name::kStatus), "504");
}

TEST_F(RelayTiming, a_stream_ends_after_silence_and_lives_while_data_moves) {
  service().stream_idle_timeout = 1s;
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  http2::Stream* s = call(c, false);
  for (int i = 0; i < 5; ++i) {
    run(700ms);
    body(c, s, "still here", false);
  }
  EXPECT_FALSE(heard(c).ended);
  run(1010ms);
  EXPECT_TRUE(heard(c).ended);
  EXPECT_TRUE(cancelled(pod(1)));
  EXPECT_EQ(worker->relay.stream_idle_timeouts.get(), 1u);
}

TEST_F(RelayTiming, a_stream_of_the_greatest_age_ends_as_unavailable) {
  service().max_stream_age = 2s;
  endpoints({1});
  pod(1).way = TestPod::Way::kHeadersOnly;
  Peer& c = client();
  http2::Stream* s = call(c, false);
  body(c, s, "watch", false);
  run(1900ms);
  EXPECT_FALSE(heard(c).ended);
  run(110ms);
  EXPECT_EQ(field(heard(c).trailers, Name::kGrpcStatus), "14");
  EXPECT_EQ(worker->relay.stream_ages.get(), 1u);
}

TEST_F(RelayTiming, a_call_that_ended_in_time_hears_nothing_at_its_deadline) {
  endpoints({1});
  Peer& c = client();
  call(c, true, with_timeout("500m"));
  run(1s);
  EXPECT_EQ(field(heard(c).trailers, Name::kGrpcStatus), "0");
  EXPECT_EQ(worker->relay.deadlines.get(), 0u);
}

}  // namespace
}  // namespace sluice::relay
