// PING toward pods: off by default, and quiet when it is on.

#include "frame_pod.h"

namespace sluice::relay {
namespace {

struct PodPing : RelayTest {
  static constexpr int kPod = 4;

  ~PodPing() override { end(); }

  void begin(Duration interval) {
    service().ping_interval = interval;
    service().ping_timeout = 20s;
    endpoints({kPod});
  }
  config::Service& service() { return snapshot.services[0]; }
  // That came on any connection, without Sluice's answers.
  size_t pings() {
    size_t n = 0;
    for (auto& side : frames.sides) n += side->all(http2::FrameType::kPing).size();
    return n;
  }

  FramePod frames{outside, kPod};
};

TEST_F(PodPing, is_off_by_default) {
  EXPECT_EQ(config::Service{}.ping_interval, 0s);
  begin(0s);
  Peer& c = client();
  call(c);
  run(10min);
  EXPECT_EQ(pings(), 0u);
}

TEST_F(PodPing, breaks_the_silence_of_a_connection_with_calls) {
  begin(30s);
  Peer& c = client();
  call(c);
  run(29s);
  EXPECT_EQ(pings(), 0u);
  run(2s);
  EXPECT_EQ(pings(), 1u);
  run(60s);
  EXPECT_LE(pings(), 3u);
  EXPECT_GE(pings(), 2u);
  EXPECT_EQ(worker->relay.pod_pings.get(), pings());
  EXPECT_EQ(frames.sides.size(), 1u);
}

TEST_F(PodPing, is_not_sent_while_the_pod_speaks) {
  begin(30s);
  Peer& c = client();
  call(c);
  for (int i = 0; i < 10; ++i) {
    run(20s);
    frames.side(0).say(http2::frame(http2::FrameType::kWindowUpdate, 0, 1, http2::number(1)));
  }
  run(20s);
  EXPECT_EQ(pings(), 0u);
}

TEST_F(PodPing, is_not_sent_without_calls_unless_it_is_asked_for) {
  begin(30s);
  run(10min);
  EXPECT_EQ(pings(), 0u);
  service().ping_without_calls = true;
  adopt();
  run(5min);
  EXPECT_GE(pings(), 5u);
}

TEST_F(PodPing, without_an_answer_in_time_loses_the_connection_and_its_calls) {
  begin(30s);
  frames.answers_pings = false;
  Peer& c = client();
  call(c);
  run(49s);
  EXPECT_EQ(pings(), 1u);
  EXPECT_FALSE(frames.side(0).ended);
  EXPECT_FALSE(heard(c).ended);
  run(2s);
  EXPECT_TRUE(frames.side(0).ended);
  expect_trailers_only(c);
  EXPECT_EQ(worker->relay.pod_ping_timeouts.get(), 1u);
  EXPECT_EQ(worker->relay.pods_lost.get(), 1u);
  ASSERT_EQ(frames.sides.size(), 2u);
  call(c);
  EXPECT_EQ(frames.side(1).requests().size(), 1u);
  const auto event = worker->events.pop();
  ASSERT_TRUE(event);
  EXPECT_STREQ(event->what, "no answer to PING");
  EXPECT_EQ(event->peer, pod_at(kPod));
}

TEST_F(PodPing, is_answered_by_whatever_the_pod_says) {
  begin(30s);
  frames.answers_pings = false;
  Peer& c = client();
  call(c);
  run(40s);
  EXPECT_EQ(pings(), 1u);
  frames.side(0).say(http2::frame(http2::FrameType::kWindowUpdate, 0, 1, http2::number(1)));
  run(25s);
  EXPECT_FALSE(frames.side(0).ended);
  EXPECT_EQ(pings(), 1u) << "the next one is due 30 s after the pod's word";
  run(10s);
  EXPECT_EQ(pings(), 2u);
}

TEST_F(PodPing, comes_half_as_often_after_too_many_pings) {
  begin(10s);
  Peer& c = client();
  call(c);
  run(11s);
  EXPECT_EQ(pings(), 1u);
  frames.side(0).goaway(1, ErrorCode::kEnhanceYourCalm, "too_many_pings");
  run();
  frames.side(0).tcp->abort();
  run(100ms);
  EXPECT_EQ(worker->relay.too_many_pings.get(), 1u);
  const auto event = worker->events.pop();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->peer, pod_at(kPod));
  call(c);
  ASSERT_EQ(frames.sides.size(), 2u);
  run(19s);
  EXPECT_EQ(pings(), 1u);
  run(2s);
  EXPECT_EQ(pings(), 2u);
}

TEST_F(PodPing, does_not_change_with_other_goaways) {
  begin(10s);
  frames.side(0).goaway(1, ErrorCode::kEnhanceYourCalm, "too_many_streams");
  frames.side(0).goaway(1, ErrorCode::kNoError, "too_many_pings");
  run(100ms);
  EXPECT_EQ(worker->relay.too_many_pings.get(), 0u);
}

TEST_F(PodPing, can_be_switched_on_and_off_under_way) {
  begin(0s);
  Peer& c = client();
  call(c);
  run(60s);
  service().ping_interval = 30s;
  adopt();
  run(1s);
  EXPECT_EQ(pings(), 1u) << "the pod has been silent for longer";
  service().ping_interval = 0s;
  adopt();
  run(10min);
  EXPECT_EQ(pings(), 1u);
}

}  // namespace
}  // namespace sluice::relay
