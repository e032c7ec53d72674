// Calls that go well, and how they are spread.

#include "fixture.h"

namespace sluice::relay {
namespace {

TEST_F(RelayTest, a_call_reaches_a_pod_and_its_answer_comes_back_with_trailers) {
  endpoints({1});
  Peer& c = client();
  http2::Stream* s = call(c, false);
  body(c, s, "hello", true);
  EXPECT_EQ(heard(c).body, "pod1");
  EXPECT_EQ(field(heard(c).headers, Name::kStatus), "200");
  EXPECT_EQ(field(heard(c).trailers, Name::kGrpcStatus), "0");
  EXPECT_TRUE(heard(c).closed);
  EXPECT_EQ(pod(1).peer().owner.streams[1].body, "hello");
  EXPECT_EQ(field(pod(1).peer().owner.streams[1].headers, Name::kTe), "trailers");
  EXPECT_EQ(in_flight(1), 0u);
}

TEST_F(RelayTest, the_calls_of_one_connection_take_turns_over_all_pods) {
  endpoints({1, 2, 3});
  Peer& c = client();
  for (int i = 0; i < 30; ++i) call(c);
  for (int n = 1; n <= 3; ++n) EXPECT_EQ(pod(n).requests(), 10);
}

TEST_F(RelayTest, a_pod_that_is_added_gets_its_share_without_a_new_client_connection) {
  endpoints({1});
  Peer& c = client();
  for (int i = 0; i < 10; ++i) call(c);
  endpoints({1, 2});
  for (int i = 0; i < 10; ++i) call(c);
  EXPECT_EQ(pod(1).requests(), 15);
  EXPECT_EQ(pod(2).requests(), 5);
  EXPECT_EQ(worker->listener(0).connections.get(), 1u);
}

TEST_F(RelayTest, a_pod_that_leaves_gets_no_new_streams_and_finishes_the_old_ones) {
  endpoints({1, 2});
  pod(1).way = pod(2).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  call(c);
  ASSERT_EQ(in_flight(1) + in_flight(2), 2u);
  http2::Stream* old = pod(2).last;
  endpoints({1});
  pod(1).way = TestPod::Way::kEcho;
  for (int i = 0; i < 4; ++i) call(c);
  EXPECT_EQ(pod(2).requests(), 1);
  EXPECT_EQ(stats_of(2).connections.get(), 1u);
  pod(2).answer(pod(2).peer(), *old);
  run();
  EXPECT_EQ(heard(c, 1).closed || heard(c, 3).closed, true);
  run(100ms);
  EXPECT_EQ(stats_of(2).connections.get(), 0u);
  EXPECT_EQ(stats_of(2).failed.get(), 0u);
}

TEST_F(RelayTest, a_pod_that_comes_back_cancels_its_drain) {
  endpoints({1, 2});
  endpoints({1});
  endpoints({1, 2});
  Peer& c = client();
  for (int i = 0; i < 6; ++i) call(c);
  EXPECT_EQ(pod(2).requests(), 3);
}

TEST_F(RelayTest, a_pods_limit_of_streams_opens_another_connection) {
  pod(1).config.max_concurrent_streams = 2;
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  for (int i = 0; i < 5; ++i) call(c);
  run(50ms);
  EXPECT_EQ(pod(1).requests(), 5);
  EXPECT_EQ(stats_of(1).connections.get(), 3u);
}

TEST_F(RelayTest, a_cancellation_crosses_with_its_code) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  http2::Stream* s = call(c);
  c.h2->reset(*s, ErrorCode::kCancel);
  run();
  EXPECT_EQ(pod(1).peer().owner.streams[1].code, ErrorCode::kCancel);
  EXPECT_EQ(in_flight(1), 0u);
}

TEST_F(RelayTest, the_loss_of_a_client_cancels_its_calls) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  c.tcp->abort();
  run();
  EXPECT_EQ(pod(1).peer().owner.streams[1].code, ErrorCode::kCancel);
  EXPECT_EQ(worker->listener(0).active_connections.get(), 0u);
}

TEST_F(RelayTest, a_pods_reset_reaches_the_client_and_its_quarrel_with_sluice_does_not) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  pod(1).peer().h2->reset(*pod(1).last, ErrorCode::kEnhanceYourCalm);
  run();
  EXPECT_EQ(heard(c, 1).code, ErrorCode::kEnhanceYourCalm);
  uint32_t id = 1;
  for (const ErrorCode code : {ErrorCode::kProtocolError, ErrorCode::kFlowControlError,
                               ErrorCode::kFrameSizeError, ErrorCode::kCompressionError}) {
    call(c);
    pod(1).peer().h2->reset(*pod(1).last, code);
    run();
    EXPECT_EQ(heard(c, id += 2).code, ErrorCode::kInternalError);
  }
}

TEST_F(RelayTest, an_answer_that_a_pod_cuts_short_with_no_error_is_no_whole_answer) {
  endpoints({1});
  pod(1).way = TestPod::Way::kHeadersOnly;
  Peer& c = client();
  const auto cut = [&] {
    pod(1).peer().h2->reset(*pod(1).last, ErrorCode::kNoError);
    run();
  };
  call(c);
  cut();
  EXPECT_EQ(field(heard(c, 1).trailers, Name::kGrpcStatus), "14");
  EXPECT_TRUE(heard(c, 1).ended);
  call(c, true, http2::request());
  cut();
  EXPECT_FALSE(heard(c, 3).ended);
  EXPECT_EQ(heard(c, 3).code, ErrorCode::kInternalError);
  // Nor is nothing at all.
  pod(1).way = TestPod::Way::kSilent;
  call(c);
  cut();
  expect_trailers_only(c, 5);
  call(c, true, http2::request());
  cut();
  EXPECT_EQ(field(heard(c, 7).headers, Name::kStatus), "503");
  EXPECT_EQ(stats_of(1).failed.get(), 4u);
}

TEST_F(RelayTest, an_answer_before_the_end_of_the_request_is_whole_and_then_reset_with_no_error) {
  endpoints({1});
  pod(1).way = TestPod::Way::kEarly;
  Peer& c = client();
  call(c, false);
  EXPECT_TRUE(heard(c).ended);
  EXPECT_EQ(field(heard(c).trailers, Name::kGrpcStatus), "0");
  EXPECT_TRUE(heard(c).reset);
  EXPECT_EQ(heard(c).code, ErrorCode::kNoError);
}

TEST_F(RelayTest, a_client_that_stops_reading_does_not_stop_another) {
  endpoints({1});
  Peer& slow = client();
  Peer& quick = client();
  slow.owner.data_hook = [](http2::Stream&, buf::Slice, bool) {};  // opens no window
  pod(1).way = TestPod::Way::kSilent;
  for (int i = 0; i < 100; ++i) {
    call(slow);
    pod(1).peer().h2->send_headers(*pod(1).last, http2::response(), false);
    for (int k = 0; k < 60; ++k)
      pod(1).peer().h2->send_data(*pod(1).last, buffers.slice(std::string(1400, 'x')), false);
    run();
  }
  pod(1).way = TestPod::Way::kEcho;
  const Time before = now;
  call(quick);
  EXPECT_EQ(heard(quick).body, "pod1");
  EXPECT_EQ(now, before);  // without waiting for a timer
}

TEST_F(RelayTest, a_long_request_opens_the_clients_window_only_as_the_pod_takes_it) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;  // gives no window back
  pod(1).config.initial_stream_window = 10'000;
  endpoints({});
  endpoints({1});
  Peer& c = client();
  http2::Stream* s = call(c, false);
  body(c, s, std::string(200'000, 'x'), false);
  run(1s);
  // What the pod allows, and what one stream may hold here.
  EXPECT_LE(heard(c).sent, 10'000u + 65'536u + 16'384u);
  EXPECT_GE(heard(c).sent, 65'536u);
}

TEST_F(RelayTest, a_huge_answer_to_a_slow_client_is_not_far_ahead_of_a_small_one) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  http2::Config wide;
  wide.initial_stream_window = wide.connection_window = 1 << 24;
  Peer& c = client(wide);
  call(c);
  http2::Stream* huge = pod(1).last;
  Peer& p = pod(1).peer();
  p.h2->send_headers(*huge, http2::response(), false);
  c.paused = true;
  for (int i = 0; i < 2'000; ++i) {
    p.h2->send_data(*huge, buffers.slice(std::string(1'400, 'x')), false);
    if (i % 50 == 49) run();
  }
  run(100ms);
  call(c);
  pod(1).answer(p, *pod(1).last);
  run(100ms);
  const size_t before = heard(c, 1).body.size();
  ASSERT_GT(before, 100'000u);
  ASSERT_EQ(heard(c, 3).body, "");
  size_t then = 0;
  c.owner.headers_hook = [&](http2::Stream& s, http2::Handler::Section, bool) {
    if (s.id() == 3 && then == 0) then = heard(c, 1).body.size();
  };
  c.paused = false;
  c.tcp->consumed(static_cast<uint32_t>(before));
  run(100ms);
  EXPECT_EQ(heard(c, 3).body, "pod1");
  EXPECT_GT(then, before);
  EXPECT_LT(then - before, 65'536 + 3 * http2::kDefaultMaxFrameSize);
}

}  // namespace
}  // namespace sluice::relay
