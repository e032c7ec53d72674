// Requests for which a pod ends its connection, under the calls of others: no pod shall hear them
// that says so beforehand, and no third one that two have ended connections for.

#include "frame_pod.h"

namespace sluice::relay {
namespace {

struct Suspects : RelayTest {
  static constexpr int kFirst = 4;

  Suspects() {
    snapshot.limits.transparent_retries = 5;
    snapshot.services[0].queue_limit = 100;
    for (int i = 0; i < 3; ++i) frames.push_back(std::make_unique<FramePod>(outside, kFirst + i));
  }
  ~Suspects() override { end(); }

  static FieldList large() {
    FieldList f = grpc();
    f.add("x-large", std::string(1'000, 'x'));
    return f;
  }
  void set_header_limit(FramePod::Side& side, uint32_t bytes) {
    side.say(http2::frame(http2::FrameType::kSettings, 0, 0,
                          http2::setting(http2::Setting::kMaxHeaderListSize, bytes)));
    run();
  }
  // The connections on which a request is, which nobody has ended.
  std::vector<FramePod::Side*> holders() {
    std::vector<FramePod::Side*> found;
    for (auto& pod : frames)
      for (auto& side : pod->sides)
        if (!side->ended && !side->requests().empty()) found.push_back(side.get());
    return found;
  }
  size_t requests() const {
    size_t n = 0;
    for (auto& pod : frames)
      for (auto& side : pod->sides) n += side->requests().size();
    return n;
  }

  std::vector<std::unique_ptr<FramePod>> frames;
};

TEST_F(Suspects, fields_beyond_what_the_pod_announces_never_reach_it) {
  frames[0]->answers_requests = true;
  endpoints({kFirst});
  FramePod::Side& pod = frames[0]->side(0);
  set_header_limit(pod, 800);
  Peer& c = client();
  call(c, true, large());
  EXPECT_EQ(field(heard(c, 1).headers, Name::kGrpcStatus), "8");
  EXPECT_TRUE(heard(c, 1).ended);
  FieldList plain = http2::request();
  plain.add("x-large", std::string(1'000, 'x'));
  call(c, true, plain);
  EXPECT_EQ(field(heard(c, 3).headers, Name::kStatus), "431");
  EXPECT_EQ(requests(), 0u);
  call(c);
  EXPECT_TRUE(heard(c, 5).closed) << "one that fits";
  EXPECT_EQ(worker->relay.pod_header_limits.get(), 2u);
  set_header_limit(pod, 8'000);
  call(c, true, large());
  EXPECT_TRUE(heard(c, 7).closed) << "the limit has risen";
  EXPECT_FALSE(pod.ended);
}

TEST_F(Suspects, nor_do_trailers) {
  endpoints({kFirst});
  FramePod::Side& pod = frames[0]->side(0);
  set_header_limit(pod, 800);
  Peer& c = client();
  http2::Stream* s = call(c, false);
  FieldList trailers;
  trailers.add("x-large", std::string(1'000, 'x'));
  c.h2->send_headers(*s, trailers, true);
  run();
  EXPECT_EQ(field(heard(c, 1).headers, Name::kGrpcStatus), "8");
  EXPECT_EQ(pod.requests().size(), 1u) << "its HEADERS, and no trailers";
  EXPECT_EQ(pod.all(http2::FrameType::kRstStream).size(), 1u);
}

TEST_F(Suspects, a_call_that_two_pods_ended_connections_for_is_not_tried_on_a_third) {
  endpoints({kFirst, kFirst + 1, kFirst + 2});
  Peer& c = client();
  call(c);
  ASSERT_EQ(holders().size(), 1u);
  FramePod::Side* first = holders()[0];
  first->goaway(0, ErrorCode::kEnhanceYourCalm, "header list too large");
  first->tcp->close();
  run(100ms);
  EXPECT_EQ(worker->relay.suspect_tries.get(), 1u);
  ASSERT_EQ(holders().size(), 1u);
  FramePod::Side* second = holders()[0];
  EXPECT_NE(second, first);
  // Nobody else is on that connection, and nobody comes.
  Peer& other = client();
  for (int i = 0; i < 6; ++i) call(other);
  EXPECT_EQ(second->requests().size(), 1u);
  second->goaway(0, ErrorCode::kEnhanceYourCalm, "header list too large");
  second->tcp->close();
  run(100ms);
  expect_trailers_only(c, 1);
  EXPECT_EQ(worker->relay.suspects_failed.get(), 1u);
  EXPECT_EQ(requests(), 8u) << "two tries of the one, and six calls of the other client";
  for (uint32_t id = 1; id < 13; id += 2) EXPECT_FALSE(heard(other, id).ended) << id;
}

TEST_F(Suspects, the_innocent_are_served_and_their_connections_close) {
  for (auto& pod : frames) pod->answers_requests = true;
  frames[0]->answers_requests = false;
  endpoints({kFirst});
  Peer& c = client();
  for (int i = 0; i < 40; ++i) call(c);
  FramePod::Side& bad = frames[0]->side(0);
  ASSERT_EQ(bad.requests().size(), 40u);
  frames[0]->down();
  endpoints({kFirst, kFirst + 1, kFirst + 2});
  bad.goaway(0, ErrorCode::kEnhanceYourCalm);
  bad.tcp->close();
  run(2s);
  for (uint32_t id = 1; id < 81; id += 2) EXPECT_TRUE(heard(c, id).closed) << id;
  EXPECT_EQ(worker->relay.suspect_tries.get(), 40u);
  EXPECT_EQ(worker->relay.suspects_failed.get(), 0u);
  EXPECT_EQ(worker->relay.queued_streams.get(), 0u);
  EXPECT_EQ(stats_of(kFirst + 1).connections.get(), 1u);
  EXPECT_EQ(stats_of(kFirst + 2).connections.get(), 1u);
}

TEST_F(Suspects, a_graceful_goaway_makes_nobody_suspect) {
  endpoints({kFirst, kFirst + 1});
  Peer& c = client();
  call(c);
  ASSERT_EQ(holders().size(), 1u);
  holders()[0]->goaway(0);
  run(100ms);
  EXPECT_EQ(requests(), 2u);
  EXPECT_EQ(worker->relay.suspect_tries.get(), 0u);
}

}  // namespace
}  // namespace sluice::relay
