// Connections to a pod: when another one is opened, when one is replaced, and what calls notice.

#include <array>

#include "frame_pod.h"

namespace sluice::relay {
namespace {

struct Pool : RelayTest {
  static constexpr int kFramePod = 4;

  ~Pool() override { end(); }

  pods::Connectivity state(int n) {
    return static_cast<pods::Connectivity>(stats_of(n).state.get());
  }
  // Several calls in one turn of the worker.
  void calls(Peer& c, int n) {
    for (int i = 0; i < n; ++i) c.h2->open(grpc(), true, &c.owner);
    run();
  }
  static uint32_t nth(int i) { return 1 + 2 * static_cast<uint32_t>(i); }

  FramePod frames{outside, kFramePod};
};

// --- The end of a connection's stream ids ---

TEST_F(Pool, replaces_a_connection_before_its_stream_ids_run_out_and_no_call_fails_or_waits) {
  EXPECT_LT(config::Limits{}.max_pod_connection_streams, http2::kMaxStreamId / 2);
  snapshot.limits.max_pod_connection_streams = 5;
  endpoints({1});
  Peer& c = client();
  for (int i = 0; i < 20; ++i) {
    if (i == 10) snapshot.services[0].queue_limit = 0, adopt();  // nobody may wait
    call(c);
    EXPECT_EQ(heard(c, nth(i)).body, "pod1") << i;
  }
  run(100ms);
  EXPECT_GE(pod(1).peers.size(), 4u);
  for (auto& peer : pod(1).peers) EXPECT_LE(peer->owner.streams.size(), 5u);
  EXPECT_EQ(stats_of(1).connections.get(), 1u) << "the old ones are closed";
}

TEST_F(Pool, lets_an_old_connection_go_on_while_its_replacement_is_not_there) {
  snapshot.limits.max_pod_connection_streams = 3;
  snapshot.services[0].queue_limit = 0;
  endpoints({1});
  pod(1).down();
  Peer& c = client();
  for (int i = 0; i < 8; ++i) {
    call(c);
    EXPECT_EQ(heard(c, nth(i)).body, "pod1") << i;
  }
  pod(1).up();
  run(3s);
  call(c);
  call(c);
  EXPECT_EQ(pod(1).peers.size(), 2u);
  EXPECT_EQ(heard(c, nth(9)).body, "pod1");
}

TEST_F(Pool, lets_an_old_connection_go_on_while_its_replacement_takes_no_calls) {
  snapshot.limits.max_pod_connection_streams = 3;
  snapshot.services[0].queue_limit = 0;
  frames.answers_requests = true;
  endpoints({kFramePod});
  frames.limit = 0;
  Peer& c = client();
  for (uint32_t i = 0; i < 8; ++i) {
    call(c);
    EXPECT_EQ(field(heard(c, 1 + 2 * i).headers, Name::kGrpcStatus), "(none)") << i;
    run(100ms);
  }
  EXPECT_LE(frames.sides.size(), 3u) << "more of them would not help";
}

TEST_F(Pool, lets_the_calls_of_a_replaced_connection_end_by_themselves) {
  snapshot.limits.max_pod_connection_streams = 2;
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  http2::Stream* first = pod(1).last;
  Peer& old = pod(1).peer();
  call(c);
  call(c);
  EXPECT_EQ(pod(1).peers.size(), 2u);
  run(10s);
  EXPECT_FALSE(old.ended);
  pod(1).answer(old, *first);
  run(100ms);
  EXPECT_EQ(heard(c, 1).body, "pod1");
  EXPECT_FALSE(old.ended) << "its second call is still there";
}

TEST_F(Pool, grows_whatever_number_of_old_connections_have_long_calls) {
  snapshot.limits.max_pod_connection_streams = 1;
  snapshot.limits.concurrent_streams = 1'000;
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client({.max_concurrent_streams = 1'000});
  for (int i = 0; i < 100; ++i) call(c);
  EXPECT_GT(stats_of(1).connections.get(), 65u);
  pod(1).way = TestPod::Way::kEcho;
  call(c);
  EXPECT_EQ(heard(c, nth(100)).body, "pod1");
}

TEST_F(Pool, replaces_its_last_connection_whatever_number_of_old_ones_have_long_calls) {
  constexpr uint32_t kLong = sluice::upstream::Pool::kMaxRetired;
  snapshot.limits.max_pod_connection_streams = 1;
  snapshot.limits.concurrent_streams = 2 * kLong;
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client({.max_concurrent_streams = 2 * kLong});
  for (int i = 0; stats_of(1).connections.get() <= kLong; ++i) {
    ASSERT_LT(i, 2 * static_cast<int>(kLong));
    call(c);
    run(10ms);  // connects have a rate
  }
  // The one that takes calls goes without one.
  pod(1).peer().tcp->abort();
  pod(1).way = TestPod::Way::kEcho;
  run(100ms);
  const uint32_t id = nth(static_cast<int>(c.h2->streams_begun()));
  call(c);
  EXPECT_EQ(heard(c, id).body, "pod1");
}

// --- The pod's limit of streams ---

TEST_F(Pool, opens_another_connection_when_the_limit_falls_below_what_is_open) {
  endpoints({kFramePod});
  Peer& c = client();
  calls(c, 3);
  frames.side(0).set_limit(2);
  run();
  call(c);
  ASSERT_EQ(frames.sides.size(), 2u);
  EXPECT_EQ(frames.side(0).requests(), (std::vector<uint32_t>{1, 3, 5}));
  EXPECT_EQ(frames.side(1).requests(), (std::vector<uint32_t>{1}));
  for (const uint32_t id : {1u, 3u, 5u}) frames.side(0).answer(id);
  frames.side(1).answer(1);
  run();
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(heard(c, nth(i)).closed) << i;
  EXPECT_EQ(stats_of(kFramePod).failed.get(), 0u);
}

TEST_F(Pool, lets_calls_wait_where_no_connection_takes_any_and_tells_them_so_in_time) {
  frames.limit = 0;
  endpoints({kFramePod});
  Peer& c = client();
  calls(c, 6);
  EXPECT_EQ(worker->service(0).queued.get(), 4u);
  expect_trailers_only(c, 9);
  expect_trailers_only(c, 11);
  run(4900ms);
  EXPECT_FALSE(heard(c, 1).ended);
  run(200ms);
  for (const uint32_t id : {1u, 3u, 5u, 7u}) expect_trailers_only(c, id);
  call(c, true, http2::request());
  run(5100ms);
  EXPECT_EQ(field(heard(c, 13).headers, Name::kStatus), "503");
  EXPECT_LE(frames.sides.size(), 2u) << "another connection would not help";
  for (auto& side : frames.sides) EXPECT_TRUE(side->requests().empty());
}

TEST_F(Pool, ends_connections_that_calls_need_no_more_and_keeps_one) {
  snapshot.limits.pod_connection_streams = 2;
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  for (int i = 0; i < 8; ++i) call(c);
  const uint64_t opened = stats_of(1).connections.get();
  EXPECT_GE(opened, 3u);
  c.tcp->abort();
  pod(1).way = TestPod::Way::kEcho;
  Peer& d = client();
  for (uint32_t i = 0; i < 300; ++i) {
    run(1s);
    call(d);
    ASSERT_EQ(heard(d, nth(i)).body, "pod1");
  }
  EXPECT_EQ(stats_of(1).connections.get(), 1u);
  EXPECT_EQ(stats_of(1).connects.get(), opened);
  EXPECT_EQ(pods::Connectivity::kReady, state(1));
  run(600s);
  EXPECT_EQ(stats_of(1).connections.get(), 1u) << "the last one stays";
}

TEST_F(Pool, lets_waiting_calls_go_when_the_limit_rises_again) {
  frames.answers_requests = true;
  endpoints({kFramePod});
  Peer& c = client();
  call(c);
  EXPECT_TRUE(heard(c, 1).closed);
  frames.limit = 0;
  frames.side(0).set_limit(0);
  run();
  calls(c, 3);
  run(1s);
  EXPECT_EQ(worker->service(0).queued.get(), 3u);
  frames.side(0).set_limit(1);
  run();
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(heard(c, nth(i)).closed) << i;
  EXPECT_EQ(frames.side(0).requests().size(), 4u);
}

TEST_F(Pool, whose_pod_is_full_leaves_its_calls_to_all_other_pods_alike) {
  frames.limit = 1;
  endpoints({kFramePod, 1, 2, 3});
  Peer& c = client();
  while (frames.side(0).requests().empty()) call(c);
  frames.down();  // no further connection
  std::array<int, 4> before{};
  for (int n = 1; n <= 3; ++n) before[static_cast<size_t>(n)] = pod(n).requests();
  for (int i = 0; i < 60; ++i) call(c);
  for (int n = 1; n <= 3; ++n)
    EXPECT_NEAR(pod(n).requests() - before[static_cast<size_t>(n)], 20, 4);
  EXPECT_EQ(frames.side(0).requests().size(), 1u);
}

TEST_F(Pool, gives_a_waiting_call_the_room_that_another_one_leaves) {
  frames.limit = 1;
  endpoints({kFramePod});
  snapshot.limits.pod_connection_streams = 1'000;
  Peer& c = client();
  call(c);
  frames.down();
  call(c);
  EXPECT_EQ(worker->service(0).queued.get(), 1u);
  frames.side(0).answer(1);
  run();
  EXPECT_EQ(frames.side(0).requests(), (std::vector<uint32_t>{1, 3}));
}

TEST_F(Pool, gives_a_waiting_call_the_room_that_a_cancelled_one_leaves) {
  frames.limit = 1;
  endpoints({kFramePod});
  Peer& c = client();
  http2::Stream* s = call(c);
  frames.down();
  call(c);
  EXPECT_EQ(worker->service(0).queued.get(), 1u);
  c.h2->reset(*s, ErrorCode::kCancel);
  run();
  EXPECT_EQ(frames.side(0).requests(), (std::vector<uint32_t>{1, 3}));
  EXPECT_EQ(worker->service(0).queued.get(), 0u);
}

TEST_F(Pool, gives_a_waiting_call_the_room_that_a_deadline_leaves) {
  frames.limit = 1;
  endpoints({kFramePod});
  Peer& c = client();
  FieldList f = grpc();
  f.add(Name::kGrpcTimeout, "100m");
  call(c, true, f);
  frames.down();
  call(c);
  EXPECT_EQ(worker->service(0).queued.get(), 1u);
  run(110ms);
  EXPECT_EQ(frames.side(0).requests(), (std::vector<uint32_t>{1, 3}));
  EXPECT_EQ(worker->service(0).queued.get(), 0u);
}

// Such a call has a stream, whose HEADERS wait for room in the connection's send buffer.
TEST_F(Pool, takes_a_call_that_the_limit_holds_back_to_another_connection) {
  endpoints({kFramePod});
  Peer& c = client();
  http2::Stream* big = call(c, false);
  frames.side(0).paused = true;
  frames.side(0).say(http2::frame(http2::FrameType::kWindowUpdate, 0, 0, http2::number(1 << 30)) +
                     http2::frame(http2::FrameType::kWindowUpdate, 0, 1, http2::number(1 << 30)));
  run();
  for (int i = 0; i < 400; ++i) body(c, big, std::string(10'000, 'x'), false);
  call(c);
  EXPECT_EQ(in_flight(kFramePod), 2u) << "not waiting in the service";
  EXPECT_EQ(frames.side(0).requests(), (std::vector<uint32_t>{1}));
  frames.side(0).set_limit(1);
  run();
  frames.resume(0);
  run(2s);
  ASSERT_EQ(frames.sides.size(), 2u);
  EXPECT_EQ(frames.side(0).requests(), (std::vector<uint32_t>{1}));
  EXPECT_EQ(frames.side(1).requests(), (std::vector<uint32_t>{1}));
  frames.side(1).answer(1);
  run();
  EXPECT_TRUE(heard(c, 3).closed);
}

// --- A spare connection ---

// The younger one of two connections has no stream, and stays as long as the older one could not
// carry the calls of both.
struct SparePool : Pool {
  static constexpr Duration kLook = 2min;  // between looks for a spare connection

  // Calls until there are two connections; all but the first `left` have ended then.
  Peer& begin(int calls_for_two, int left = 0) {
    endpoints({kFramePod});
    Peer& c = client();
    for (int i = 0; i < calls_for_two; ++i) call(c);
    run();
    EXPECT_EQ(frames.sides.size(), 2u);
    int n = 0;
    for (auto& side : frames.sides)
      for (const uint32_t id : side->requests())
        if (n++ >= left) side->answer(id);
    run();
    EXPECT_EQ(in_flight(kFramePod), static_cast<uint64_t>(left));
    return c;
  }
  uint64_t connections() { return stats_of(kFramePod).connections.get(); }
  // Time passes, and nothing arrives from that side of the pod.
  void run_without(size_t side, Duration time) {
    const uint16_t port = frames.side(side).tcp->remote().port;
    for (const Time end = now + time; now < end;) {
      std::erase_if(outside.out, [&](const Node::Packet& p) {
        return p.bytes[2] == static_cast<char>(port >> 8) &&
               p.bytes[3] == static_cast<char>(port & 0xff);
      });
      now += 1ms;
      turn();
    }
  }
};

TEST_F(SparePool, keeps_the_connection_that_answers_while_the_other_one_is_silent) {
  snapshot.limits.pod_connection_streams = 2;
  const Time began = now;
  Peer& c = begin(3);
  frames.answers_requests = true;
  run(began + kLook - 1s - now);
  ASSERT_EQ(connections(), 2u);
  call(c);
  ASSERT_TRUE(heard(c, 7).ended);
  run_without(0, 1ms);
  c.h2->open(grpc(), true, &c.owner);  // is lost with the silent one
  run_without(0, 2s);
  EXPECT_EQ(connections(), 2u) << "the silent one cannot carry the calls of both";
  for (int i = 0; i < 5; ++i) {
    c.h2->open(grpc(), true, &c.owner);
    run_without(0, 100ms);
    EXPECT_TRUE(heard(c, nth(5 + i)).ended) << i;
  }
  EXPECT_EQ(frames.side(1).requests().size(), 5u);
}

TEST_F(SparePool, keeps_a_connection_for_the_next_burst_while_the_pods_limit_is_nearly_reached) {
  frames.limit = 2;
  Peer& c = begin(3, 1);
  for (int i = 0; i < 20; ++i) {
    run(kLook / 4);
    ASSERT_EQ(connections(), 2u) << i;
  }
  calls(c, 3);
  EXPECT_EQ(in_flight(kFramePod), 4u);
  EXPECT_EQ(worker->service(0).queued.get(), 0u);
  EXPECT_EQ(stats_of(kFramePod).connects.get(), 2u);
  for (const uint32_t id : {1u, 5u}) frames.side(0).answer(id);
  for (const uint32_t id : {3u, 5u}) frames.side(1).answer(id);
  run(2 * kLook + 1s);
  EXPECT_EQ(connections(), 1u) << "now it is spare";
}

TEST_F(SparePool, keeps_a_connection_while_an_unread_upload_holds_the_others_window) {
  snapshot.limits.pod_connection_streams = 8;
  Peer& c = begin(9);
  http2::Stream* upload = call(c, false);
  body(c, upload, std::string(60'000, 'x'), false);
  const size_t older = frames.side(0).requests().size();
  const size_t younger = frames.side(1).requests().size();
  ASSERT_EQ(older + younger, 10u);
  for (int i = 0; i < 20; ++i) {
    run(kLook / 4);
    ASSERT_EQ(connections(), 2u) << i;
  }
  ASSERT_EQ(in_flight(kFramePod), 1u);
  call(c, false);
  EXPECT_EQ(frames.side(1).requests().size(), younger + 1);
  EXPECT_EQ(worker->relay.window_waits.get(), 0u);
}

// --- GOAWAY ---

TEST_F(Pool, moves_what_the_second_goaway_excludes_once_and_lets_the_rest_end) {
  endpoints({kFramePod});
  Peer& c = client();
  calls(c, 3);
  frames.side(0).goaway(http2::kMaxStreamId);
  run();
  ASSERT_EQ(frames.sides.size(), 2u);
  call(c);
  EXPECT_EQ(frames.side(1).requests(), (std::vector<uint32_t>{1})) << "new calls avoid it at once";
  EXPECT_EQ(stats_of(kFramePod).retried.get(), 0u) << "the first one excludes nothing";
  frames.side(0).goaway(3);
  run();
  EXPECT_EQ(frames.side(1).requests(), (std::vector<uint32_t>{1, 3}));
  frames.side(0).goaway(3);
  run();
  EXPECT_EQ(stats_of(kFramePod).retried.get(), 1u);
  EXPECT_EQ(frames.side(0).requests(), (std::vector<uint32_t>{1, 3, 5}));
  EXPECT_EQ(frames.side(1).requests(), (std::vector<uint32_t>{1, 3}));
  for (auto& side : frames.sides)
    for (const uint32_t id : {1u, 3u}) side->answer(id);
  run(100ms);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(heard(c, nth(i)).closed) << i;
  EXPECT_TRUE(frames.side(0).ended);
  EXPECT_EQ(stats_of(kFramePod).failed.get(), 0u);
}

TEST_F(Pool, what_a_goaway_excludes_is_not_reset_at_the_pod) {
  endpoints({kFramePod});
  Peer& c = client();
  for (int i = 0; i < 3; ++i) call(c);
  frames.side(0).goaway(1);
  run();
  ASSERT_EQ(frames.sides.size(), 2u);
  EXPECT_EQ(frames.side(1).requests(), (std::vector<uint32_t>{1, 3}));
  EXPECT_TRUE(frames.side(0).all(http2::FrameType::kRstStream).empty());
}

TEST_F(Pool, avoids_a_pod_from_its_first_goaway_on_if_it_takes_no_new_connection) {
  frames.answers_requests = true;
  endpoints({1, kFramePod});
  frames.down();
  frames.side(0).goaway(http2::kMaxStreamId);
  run();
  Peer& c = client();
  for (int i = 0; i < 6; ++i) {
    call(c);
    EXPECT_EQ(heard(c, nth(i)).body, "pod1");
  }
  EXPECT_TRUE(frames.side(0).requests().empty());
  EXPECT_EQ(stats_of(1).retried.get() + stats_of(kFramePod).retried.get(), 0u);
}

// --- Connectivity ---

TEST_F(Pool, is_ready_when_the_pods_settings_are_here_and_not_before) {
  frames.greets = false;
  endpoints({kFramePod});
  Peer& c = client();
  call(c);
  ASSERT_EQ(frames.sides.size(), 1u);
  EXPECT_EQ(state(kFramePod), pods::Connectivity::kConnecting);
  EXPECT_TRUE(frames.side(0).requests().empty());
  run(900ms);
  frames.side(0).set_limit(100);
  run();
  EXPECT_EQ(state(kFramePod), pods::Connectivity::kReady);
  EXPECT_EQ(frames.side(0).requests(), (std::vector<uint32_t>{1}));
}

TEST_F(Pool, gives_a_pod_up_that_has_not_said_settings_within_the_connect_timeout) {
  frames.greets = false;
  endpoints({kFramePod});
  run(990ms);
  EXPECT_EQ(state(kFramePod), pods::Connectivity::kConnecting);
  run(20ms);
  EXPECT_EQ(stats_of(kFramePod).connect_failures.get(), 1u);
  EXPECT_NE(state(kFramePod), pods::Connectivity::kReady);
  EXPECT_TRUE(frames.side(0).ended);
}

TEST_F(Pool, tries_a_pod_that_cannot_be_reached_with_a_backoff_that_grows_to_ten_seconds) {
  frames.down();
  endpoints({kFramePod});
  EXPECT_EQ(state(kFramePod), pods::Connectivity::kTransientFailure);
  Time last = now;
  double expected = 1;
  for (int i = 0; i < 8; ++i) {
    const uint64_t before = stats_of(kFramePod).connects.get();
    while (stats_of(kFramePod).connects.get() == before && now - last < 20s) run(10ms);
    const double waited = std::chrono::duration<double>(now - last).count();
    EXPECT_GE(waited, expected * 0.8) << i;
    EXPECT_LE(waited, expected * 1.2 + 0.02) << i;
    expected = std::min(expected * 1.6, 10.0);
    last = now;
  }
}

TEST_F(Pool, backs_off_from_a_pod_that_speaks_no_http2_or_hangs_up_before_its_settings) {
  frames.greets = false;
  frames.first_words = std::string(300, 'x');
  endpoints({kFramePod});
  run(900ms);
  EXPECT_EQ(stats_of(kFramePod).connects.get(), 1u);
  EXPECT_EQ(stats_of(kFramePod).connect_failures.get(), 1u);
  EXPECT_EQ(state(kFramePod), pods::Connectivity::kTransientFailure);
  frames.first_words.clear();
  frames.closes = true;
  run(400ms);
  EXPECT_EQ(stats_of(kFramePod).connects.get(), 2u);
  EXPECT_EQ(stats_of(kFramePod).connect_failures.get(), 2u);
  run(1s);
  EXPECT_EQ(stats_of(kFramePod).connects.get(), 2u) << "1.6 times as long, less a fifth at most";
  run(1s);
  EXPECT_EQ(stats_of(kFramePod).connects.get(), 3u);
}

TEST_F(Pool, does_not_connect_without_end_to_a_pod_that_greets_and_hangs_up) {
  frames.hangs_up = true;
  endpoints({kFramePod});
  run(10s);
  EXPECT_LE(stats_of(kFramePod).connects.get(), 200u + 10 * 100u);
  frames.hangs_up = false;
  run(2s);
  EXPECT_EQ(state(kFramePod), pods::Connectivity::kReady);
}

TEST_F(Pool, tries_at_once_and_often_again_after_news_of_the_endpoint) {
  frames.down();
  endpoints({kFramePod});
  run(60s);
  uint64_t before = stats_of(kFramePod).connects.get();
  snapshot.services[0].pods.edit()[0].weight = 2;
  adopt();
  run();
  EXPECT_EQ(stats_of(kFramePod).connects.get(), before + 1);
  run(1300ms);
  EXPECT_EQ(stats_of(kFramePod).connects.get(), before + 2);
  before = stats_of(kFramePod).connects.get();
  adopt();  // nothing new about the endpoint
  run();
  EXPECT_EQ(stats_of(kFramePod).connects.get(), before);
}

}  // namespace
}  // namespace sluice::relay
