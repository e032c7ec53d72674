// Pods that say nothing any more: TCP knows before any deadline does.

#include "fixture.h"

namespace sluice::relay {
namespace {

struct SilenceTest : RelayTest {
  // From now on nothing comes from the pod, nor does it say that it is gone.
  void die(int n) { outside.mute = pod_at(n).address; }
  void revive() { outside.mute.reset(); }

  // Ten calls a second. How many have no answer at the end of that time.
  size_t unanswered_calls(Peer& c, Duration time) {
    std::vector<http2::Stream*> before;
    const size_t answered = answers(c);
    size_t calls = 0;
    for (const Time end = now + time; now < end; ++calls) {
      call(c);
      run(100ms);
    }
    return calls - (answers(c) - answered);
  }
  static size_t answers(Peer& c) {
    size_t n = 0;
    for (const auto& [id, h] : c.owner.streams) n += h.body.starts_with("pod");
    return n;
  }
};

TEST_F(SilenceTest, a_node_that_dies_costs_the_calls_of_one_retransmission_timeout) {
  endpoints({1, 2});
  Peer& c = client();
  ASSERT_EQ(unanswered_calls(c, 1s), 0u);
  die(1);
  EXPECT_LE(unanswered_calls(c, 10s), 3u);
}

TEST_F(SilenceTest, a_node_that_dies_costs_no_more_when_many_connections_led_to_it) {
  pod(1).config.max_concurrent_streams = pod(2).config.max_concurrent_streams = 1;
  pod(1).way = pod(2).way = TestPod::Way::kSilent;
  endpoints({1, 2});
  Peer& c = client();
  std::vector<http2::Stream*> calls;
  for (int i = 0; i < 12; ++i) call(c);
  run(100ms);
  ASSERT_GE(stats_of(1).connections.get(), 5u);
  pod(1).way = pod(2).way = TestPod::Way::kEcho;
  for (int n : {1, 2})
    for (auto& peer : pod(n).peers)
      peer->h2->for_each_stream([&](http2::Stream& s) { pod(n).answer(*peer, s); });
  run(100ms);
  ASSERT_EQ(in_flight(1) + in_flight(2), 0u);
  ASSERT_EQ(unanswered_calls(c, 1s), 0u);
  die(1);
  EXPECT_LE(unanswered_calls(c, 30s), 3u);
}

TEST_F(SilenceTest, a_pod_that_answers_again_gets_calls_again) {
  endpoints({1, 2});
  Peer& c = client();
  ASSERT_EQ(unanswered_calls(c, 1s), 0u);
  die(1);
  EXPECT_LE(unanswered_calls(c, 1s), 3u);
  revive();
  run(3s);
  const int before = pod(1).requests();
  EXPECT_EQ(unanswered_calls(c, 1s), 0u);
  EXPECT_GE(pod(1).requests(), before + 4);
}

TEST_F(SilenceTest, a_silent_pod_gets_calls_while_no_other_can_take_them) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  die(1);
  call(c);
  run(1s);
  pod(1).way = TestPod::Way::kEcho;
  call(c);
  EXPECT_EQ(stats_of(1).streams.get(), 3u);
  revive();
  run(2s);
  EXPECT_EQ(heard(c, 5).body, "pod1");
}

TEST_F(SilenceTest, a_silent_pod_gets_the_calls_that_find_no_room_elsewhere) {
  pod(2).config.max_concurrent_streams = 1;
  endpoints({1, 2});
  pod(1).way = pod(2).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  call(c);
  ASSERT_EQ(in_flight(1), 1u);
  ASSERT_EQ(in_flight(2), 1u);
  pod(2).down();  // it takes no other connection
  die(1);
  call(c);
  run(1s);
  call(c);
  EXPECT_EQ(in_flight(1), 3u);
}

TEST_F(SilenceTest, a_pod_that_answers_no_further_connect_is_second_choice_until_it_does) {
  pod(1).config.max_concurrent_streams = 1;
  endpoints({1, 2});
  pod(1).way = pod(2).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  call(c);
  ASSERT_EQ(in_flight(1), 1u);
  http2::Stream* on_the_dying_one = pod(1).last;
  pod(2).way = TestPod::Way::kEcho;
  die(1);
  // Nothing is under way on the connection that stands: only a SYN tells.
  const uint64_t connects = stats_of(1).connects.get();
  EXPECT_EQ(unanswered_calls(c, 3s), 0u);
  EXPECT_GT(stats_of(1).connects.get(), connects);
  EXPECT_EQ(stats_of(1).streams.get(), 1u);
  revive();
  pod(1).way = TestPod::Way::kEcho;
  pod(1).answer(*pod(1).peers.front(), *on_the_dying_one);
  run(12s);
  EXPECT_EQ(unanswered_calls(c, 1s), 0u);
  EXPECT_GE(stats_of(1).streams.get(), 4u);
}

TEST_F(SilenceTest, a_changed_weight_does_not_leave_a_pod_in_doubt_for_good) {
  pod(1).config.max_concurrent_streams = 1;
  endpoints({1, 2});
  pod(1).way = pod(2).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  call(c);
  ASSERT_EQ(in_flight(1), 1u);
  http2::Stream* on_the_first_one = pod(1).last;
  pod(2).way = TestPod::Way::kEcho;
  die(1);
  EXPECT_EQ(unanswered_calls(c, 2500ms), 0u);
  for (config::Pod& p : snapshot.services[0].pods.edit()) p.weight = 2;
  adopt();
  revive();
  pod(1).way = TestPod::Way::kEcho;
  pod(1).answer(*pod(1).peers.front(), *on_the_first_one);
  run(20s);
  EXPECT_EQ(unanswered_calls(c, 1s), 0u);
  EXPECT_GE(stats_of(1).streams.get(), 4u);
}

}  // namespace
}  // namespace sluice::relay
