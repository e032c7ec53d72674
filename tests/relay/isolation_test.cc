// Clients that cancel without end, and the pods and clients around them: Sluice must not become
// what pods take for a rapid reset (CVE-2023-44487), since their answer hits everybody's calls.

#include "frame_pod.h"

namespace sluice::relay {
namespace {

struct Isolation : RelayTest {
  Isolation() {
    snapshot.guards.resets.burst = 0;  // the guard of the client's own connection
    snapshot.guards.pod_resets = {500, 25};
  }

  // Opens a call and takes it back.
  void cancel(Peer& p) {
    http2::Stream* s = call(p, false);
    ASSERT_NE(s, nullptr);
    p.h2->reset(*s, ErrorCode::kCancel);
    run();
  }
  void cancel(Peer& p, int n) {
    for (int i = 0; i < n; ++i) cancel(p);
  }
  // Until the client has left the connection that the others use.
  void misbehave(Peer& p) {
    const uint64_t before = isolated();
    for (int i = 0; i < 1'000 && isolated() == before; ++i) cancel(p);
    EXPECT_EQ(isolated(), before + 1);
  }
  // Until its own connection has had all that the pod bears. The call that opens that waits, too.
  void exhaust(Peer& p) {
    for (int i = 0; i < 2'000 && throttled() < 2; ++i) cancel(p);
    EXPECT_EQ(throttled(), 2u);
  }
  // Served, in the turn in which it comes.
  void expect_served(Peer& p) {
    const uint32_t id = 1 + 2 * p.h2->streams_begun();
    const uint64_t queued = worker->service(0).queued.get();
    call(p);
    EXPECT_TRUE(heard(p, id).closed);
    EXPECT_EQ(heard(p, id).body.substr(0, 3), "pod");
    EXPECT_EQ(worker->service(0).queued.get(), queued);
  }
  static size_t resets(Peer& connection) {
    size_t n = 0;
    for (auto& [id, h] : connection.owner.streams) n += h.reset;
    return n;
  }
  size_t most_resets() {
    size_t most = 0;
    for (auto& p : pods)
      for (auto& peer : p->peers) most = std::max(most, resets(*peer));
    return most;
  }
  uint64_t isolated() { return worker->relay.isolated_clients.get(); }
  uint64_t throttled() { return worker->relay.throttled_streams.get(); }

  static constexpr size_t kNghttp2Allows = 1'000;  // at once
};

TEST_F(Isolation, a_client_that_cancels_without_end_leaves_the_connection_that_others_use) {
  endpoints({1});
  Peer& hostile = client();
  Peer& bystander = client();
  for (int i = 0; i < 90; ++i) {
    cancel(hostile, 10);
    expect_served(bystander);
  }
  EXPECT_EQ(isolated(), 1u);
  EXPECT_EQ(worker->relay.pod_reset_budgets.get(), 1u);
  ASSERT_EQ(pod(1).peers.size(), 3u) << "the first, its replacement, and the hostile client's own";
  EXPECT_LT(most_resets(), 520u);
  // The replacement has the bystander's calls and nothing else.
  Peer& replacement = *pod(1).peers[resets(*pod(1).peers[1]) == 0 ? 1 : 2];
  EXPECT_EQ(resets(replacement), 0u);
  EXPECT_GT(replacement.owner.streams.size(), 30u);
  EXPECT_LE(throttled(), 1u) << "the call that opens its own connection";
  EXPECT_EQ(stats_of(1).connections.get(), 2u);
  const auto event = worker->events.pop();
  ASSERT_TRUE(event);
  EXPECT_STREQ(event->guard, "pod_resets");
}

TEST_F(Isolation, then_it_waits_for_its_budget_and_nobody_else_does) {
  snapshot.services[0].queue_limit = 100;
  endpoints({1});
  Peer& hostile = client();
  Peer& bystander = client();
  exhaust(hostile);
  const int before = pod(1).requests();
  for (int i = 0; i < 50; ++i) call(hostile, false);
  EXPECT_EQ(throttled(), 52u);
  EXPECT_EQ(pod(1).requests(), before);
  expect_served(bystander);
  EXPECT_LE(most_resets(), 501u);
  run(100ms);
  EXPECT_EQ(pod(1).requests() - before, 51) << "the budget has grown back by a little";
  for (int i = 0; i < 20; ++i) {
    cancel(hostile, 10);
    run(100ms);
    expect_served(bystander);
  }
  EXPECT_LE(most_resets(), 501u + 2 * 26);
}

TEST_F(Isolation, a_call_tries_one_connect_for_its_client_at_each_pod_and_no_more) {
  snapshot.guards.pod_resets = {100, 25};
  endpoints({1, 2});
  Peer& hostile = client();
  misbehave(hostile);
  lb.routeless = true;  // no connection of its own
  misbehave(hostile);
  const uint64_t first = stats_of(1).connects.get(), second = stats_of(2).connects.get();
  call(hostile, false);
  EXPECT_EQ(stats_of(1).connects.get(), first + 1);
  EXPECT_EQ(stats_of(2).connects.get(), second + 1);
  EXPECT_EQ(worker->service(0).queued.get(), 1u);
}

TEST_F(Isolation, what_waits_for_its_clients_sake_fails_in_time_and_is_bounded) {
  snapshot.services[0].queue_limit = 4;
  endpoints({1});
  Peer& hostile = client();
  Peer& bystander = client();
  exhaust(hostile);
  snapshot.guards.pod_resets.burst = 1;  // of which less grows back than it has used
  adopt();
  std::vector<uint32_t> ids;
  for (int i = 0; i < 6; ++i) {
    ids.push_back(1 + 2 * hostile.h2->streams_begun());
    call(hostile);
  }
  EXPECT_EQ(worker->service(0).queued.get(), 4u);
  EXPECT_EQ(worker->relay.queue_overflows.get(), 2u);
  expect_trailers_only(hostile, ids[4]);
  expect_trailers_only(hostile, ids[5]);
  run(5100ms);
  expect_served(bystander);
  for (const uint32_t id : ids) EXPECT_TRUE(heard(hostile, id).ended) << id;
}

TEST_F(Isolation, a_reset_that_waits_does_not_follow_the_end_of_its_connection) {
  snapshot.guards.pod_resets = {1, 1};
  FramePod frames(outside, 4);
  endpoints({4});
  Peer& c = client();
  std::vector<http2::Stream*> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(call(c, false));
  FramePod::Side& pod = frames.side(0);
  EXPECT_EQ(pod.requests().size(), 3u);
  outside.mute = pod_at(4).address;  // the connection stays half-closed
  for (http2::Stream* s : calls) c.h2->reset(*s, ErrorCode::kCancel);
  run();
  EXPECT_GT(worker->http2.resets_put_off.get(), 0u);
  const size_t resets = pod.all(http2::FrameType::kRstStream).size();
  endpoints({1});
  EXPECT_TRUE(pod.ended);
  run(4s);  // in which more resets may leave
  EXPECT_EQ(pod.all(http2::FrameType::kRstStream).size(), resets);
  EXPECT_LT(resets, 3u);
  end();
}

TEST_F(Isolation, ends_when_the_client_has_been_calm_for_a_while) {
  endpoints({1});
  Peer& hostile = client();
  misbehave(hostile);
  cancel(hostile);
  run();
  expect_served(hostile);
  EXPECT_EQ(stats_of(1).connections.get(), 2u);
  run(29s);
  EXPECT_EQ(stats_of(1).connections.get(), 2u);
  run(2s);
  EXPECT_EQ(stats_of(1).connections.get(), 1u);
  expect_served(hostile);
  EXPECT_EQ(stats_of(1).connections.get(), 1u);
}

TEST_F(Isolation, lasts_as_long_as_the_client_goes_on) {
  snapshot.services[0].queue_limit = 1'000;
  endpoints({1});
  Peer& hostile = client();
  misbehave(hostile);
  for (int i = 0; i < 60; ++i) {
    cancel(hostile, 10);
    run(1s);
  }
  EXPECT_EQ(isolated(), 1u);
  EXPECT_EQ(stats_of(1).connections.get(), 2u);
}

TEST_F(Isolation, of_many_clients_takes_a_bounded_number_of_connections) {
  endpoints({1});
  Peer& bystander = client();
  std::vector<Peer*> hostile;
  for (int i = 0; i < 20; ++i) {
    hostile.push_back(&client());
    misbehave(*hostile.back());
    expect_served(bystander);
  }
  for (Peer* p : hostile) cancel(*p, 2);
  EXPECT_EQ(isolated(), 20u);
  EXPECT_EQ(stats_of(1).connections.get(), 1u + 16u + 1u);
  // Those that share one connection exhaust it together.
  for (int i = 0; i < 300; ++i) {
    cancel(*hostile[18]);
    cancel(*hostile[19]);
  }
  EXPECT_GT(throttled(), 0u);
  EXPECT_LT(most_resets(), kNghttp2Allows);
  EXPECT_EQ(stats_of(1).connections.get(), 1u + 16u + 1u);
  cancel(*hostile[0], 10);
  expect_served(bystander);
}

TEST_F(Isolation, is_at_one_pod_and_not_at_the_others) {
  endpoints({1, 2});
  pod(1).way = TestPod::Way::kSilent;
  pod(2).way = TestPod::Way::kEcho;
  Peer& c = client();
  // As if pod1 hung: its calls are taken back, those of pod2 are served.
  for (int i = 0; i < 1'300 && isolated() == 0; ++i) {
    http2::Stream* s = call(c);
    const uint32_t id = 1 + 2 * static_cast<uint32_t>(i);
    if (!heard(c, id).closed) c.h2->reset(*s, ErrorCode::kCancel);
    run();
  }
  EXPECT_EQ(isolated(), 1u);
  run(100ms);
  EXPECT_EQ(stats_of(2).connections.get(), 1u);
  EXPECT_EQ(pod(2).peers.size(), 1u);
}

TEST_F(Isolation, counts_calls_that_end_at_their_deadline) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  FieldList hasty = grpc();
  hasty.add(Name::kGrpcTimeout, "10m");
  Peer& c = client();
  for (int i = 0; i < 7; ++i) {
    for (int k = 0; k < 100; ++k) c.h2->open(hasty, false, &c.owner);
    run(20ms);
  }
  EXPECT_GT(worker->relay.deadlines.get(), 500u);
  EXPECT_EQ(isolated(), 1u);
}

TEST_F(Isolation, spares_clients_within_their_share_whoever_wears_the_connection_out) {
  endpoints({1});
  for (int i = 0; i < 8; ++i) cancel(client(), 99);
  EXPECT_EQ(isolated(), 0u);
  EXPECT_EQ(worker->relay.pod_reset_budgets.get(), 1u);
  EXPECT_LT(most_resets(), kNghttp2Allows);
}

TEST_F(Isolation, or_replacing_is_no_reason_to_give_up_the_only_connection_that_there_is) {
  snapshot.services[0].connect_timeout = 3s;
  endpoints({1});
  Peer& bystander = client();
  expect_served(bystander);
  pod(1).down();
  for (int i = 0; i < 9; ++i) {
    cancel(client(), 99);
    expect_served(bystander);
  }
  EXPECT_EQ(pod(1).peers.size(), 1u);
}

TEST_F(Isolation, lets_calls_wait_for_a_replacement_only_until_it_fails) {
  FramePod frames(outside, 4);
  frames.answers_requests = true;
  endpoints({4});
  frames.greets = false;  // from now on
  Peer& bystander = client();
  for (int i = 0; i < 9; ++i) cancel(client(), 99);
  EXPECT_EQ(frames.sides.size(), 2u);
  const uint32_t id = 1 + 2 * bystander.h2->streams_begun();
  call(bystander);
  EXPECT_EQ(worker->service(0).queued.get(), 1u);
  run(1100ms);
  EXPECT_TRUE(heard(bystander, id).closed);
  EXPECT_TRUE(frames.side(1).ended);
  EXPECT_FALSE(frames.side(0).ended);
  frames.greets = true;
  run(3s);
  call(bystander);
  run(100ms);
  EXPECT_TRUE(frames.side(0).ended) << "replaced after all";
  end();
}

// Netty ends a connection at 200 in 30 s, whatever they are for.
struct IsolationByDefault : Isolation {
  IsolationByDefault() {
    snapshot.guards.pod_resets = config::kDefaultGuards.pod_resets;
    snapshot.services[0].queue_limit = 1'000;
  }
  static constexpr size_t kNettyAllows = 200;
};

TEST_F(IsolationByDefault, keeps_every_connection_below_200_resets_in_30_s) {
  endpoints({1});
  Peer& hostile = client({.max_concurrent_streams = 1'000});
  Peer& bystander = client();
  // As many as it may have at once, taken back at once, and then more and more.
  std::vector<http2::Stream*> calls;
  for (int i = 0; i < 120; ++i) calls.push_back(call(hostile, false));
  for (http2::Stream* s : calls) hostile.h2->reset(*s, ErrorCode::kCancel);
  run();
  for (int i = 0; i < 290; ++i) {
    cancel(hostile, 3);
    run(100ms);
    if (i % 10 == 0) expect_served(bystander);
  }
  EXPECT_LT(most_resets(), kNettyAllows);
  EXPECT_EQ(isolated(), 1u);
  EXPECT_GT(worker->http2.resets_put_off.get(), 0u);
}

TEST_F(IsolationByDefault, counts_the_answers_that_sluice_rejects_and_charges_their_client) {
  FramePod frames(outside, 4);
  endpoints({4});
  Peer& hostile = client();
  Peer& bystander = client();
  for (int i = 0; i < 230; ++i) {
    call(hostile, false);
    for (auto& side : frames.sides) {
      if (side->tcp == nullptr || side->requests().size() <= side->answered) continue;
      side->answered = side->requests().size();
      // DATA before HEADERS.
      side->say(http2::frame(http2::FrameType::kData, 0, side->requests().back(), "x"));
    }
    run(10ms);
  }
  EXPECT_GT(worker->http2.broken_answers.get(), 100u);
  EXPECT_EQ(worker->relay.pod_reset_budgets.get(), 1u) << "everybody's";
  EXPECT_EQ(isolated(), 1u);
  for (auto& side : frames.sides)
    EXPECT_LT(side->all(http2::FrameType::kRstStream).size(), kNettyAllows);
  frames.answers_requests = true;
  const uint32_t id = 1 + 2 * bystander.h2->streams_begun();
  call(bystander);
  EXPECT_TRUE(heard(bystander, id).closed);
  end();
}

TEST_F(IsolationByDefault, halves_what_a_pod_gets_that_ended_a_connection_over_resets) {
  FramePod frames(outside, 4);
  endpoints({4});
  const auto cancel_many = [&](int n) {
    for (int i = 0; i < n; ++i) cancel(client(), 10);
  };
  const auto resets_on = [&](size_t side) {
    return frames.side(side).all(http2::FrameType::kRstStream).size();
  };
  cancel_many(6);
  EXPECT_EQ(resets_on(0), 60u);
  frames.side(0).goaway(http2::kMaxStreamId, ErrorCode::kEnhanceYourCalm,
                        "Maximum number 60 of RST frames frames reached within 30 seconds");
  run();
  EXPECT_EQ(worker->relay.pod_reset_limits.get(), 1u);
  ASSERT_TRUE(worker->events.pop()) << "the GOAWAY";
  const auto event = worker->events.pop();
  ASSERT_TRUE(event);
  EXPECT_STREQ(event->guard, "pod_resets");
  EXPECT_EQ(event->details(), "50 at once, and one in 666 ms");
  ASSERT_EQ(frames.sides.size(), 2u);
  cancel_many(6);
  EXPECT_EQ(resets_on(1), 50u);
  // One that ends for another reason is not concerned.
  frames.side(2).goaway(http2::kMaxStreamId, ErrorCode::kEnhanceYourCalm, "header list too large");
  run();
  EXPECT_EQ(worker->relay.pod_reset_limits.get(), 1u);
  end();
}

TEST_F(IsolationByDefault, gives_a_client_another_connection_some_time_after_its_own_is_spent) {
  endpoints({1});
  Peer& hostile = client();
  misbehave(hostile);
  const auto begun = stats_of(1).connects.get();
  for (int i = 0; i < 200; ++i) {
    cancel(hostile);
    run(50ms);
  }
  EXPECT_GT(stats_of(1).connects.get(), begun) << "in ten seconds";
  EXPECT_LE(stats_of(1).connects.get(), begun + 3);
  EXPECT_LT(most_resets(), kNettyAllows);
}

TEST_F(Isolation, can_be_switched_off) {
  snapshot.guards.pod_resets.burst = 0;
  endpoints({1});
  cancel(client(), 900);
  EXPECT_EQ(isolated() + worker->relay.pod_reset_budgets.get(), 0u);
  EXPECT_EQ(pod(1).peers.size(), 1u);
}

}  // namespace
}  // namespace sluice::relay
