// Pods that crash and come back: when they are tried again, what calls notice, and what the log and
// the counters say of it.

#include "fixture.h"

namespace sluice::relay {
namespace {

using What = stats::Change::What;

struct Comeback : RelayTest {
  // The process ends, and its kernel refuses connections from then on.
  void crash(int n) {
    pod(n).down();
    for (auto& peer : pod(n).peers)
      if (peer->tcp != nullptr) peer->tcp->abort();
    run();
  }
  pods::Connectivity state(int n) {
    return static_cast<pods::Connectivity>(stats_of(n).state.get());
  }
  // When, after now, connects begin within that time.
  std::vector<Duration> connects(int n, Duration time) {
    std::vector<Duration> when;
    const Time began = now;
    for (uint64_t before = stats_of(n).connects.get(); now - began < time; run(10ms)) {
      for (; before < stats_of(n).connects.get(); ++before) when.push_back(now - began);
    }
    return when;
  }
  std::vector<stats::Change> changes() {
    std::vector<stats::Change> all;
    while (const auto c = worker->changes.pop()) all.push_back(*c);
    return all;
  }
  uint64_t failures(stats::Failure why) {
    return worker->listener(0).failures[static_cast<size_t>(why)].get();
  }
};

TEST_F(Comeback, a_single_pod_that_is_back_after_200_ms_costs_no_call) {
  snapshot.services[0].queue_limit = 100;
  endpoints({1});
  Peer& c = client();
  crash(1);
  for (int i = 0; i < 10; ++i) {
    if (i == 4) pod(1).up();
    call(c);
    run(50ms);
  }
  run(200ms);
  for (uint32_t id = 1; id < 20; id += 2) EXPECT_EQ(heard(c, id).body, "pod1") << id;
  EXPECT_EQ(worker->relay.no_pod.get(), 0u);
}

TEST_F(Comeback, a_lost_pod_is_tried_at_once_after_50_and_200_ms_and_then_the_backoff_begins) {
  endpoints({1});
  const uint64_t before = stats_of(1).connects.get();
  crash(1);
  EXPECT_EQ(stats_of(1).connects.get(), before + 1) << "at once";
  const std::vector<Duration> when = connects(1, 1'200ms);
  ASSERT_GE(when.size(), 2u);
  EXPECT_NEAR(static_cast<double>(when[0] / 1ms), 50, 20);
  EXPECT_NEAR(static_cast<double>(when[1] / 1ms), 250, 20);
  if (when.size() > 2) {
    EXPECT_GT(when[2] - when[1], 780ms);
  }
}

TEST_F(Comeback, calls_wait_for_the_quick_tries_and_no_longer) {
  endpoints({1});
  Peer& c = client();
  crash(1);
  call(c);
  run(200ms);
  EXPECT_EQ(state(1), pods::Connectivity::kConnecting);
  EXPECT_FALSE(heard(c).ended);
  run(100ms);
  EXPECT_EQ(state(1), pods::Connectivity::kTransientFailure);
  expect_trailers_only(c);
  EXPECT_EQ(failures(stats::Failure::kNoPod), 1u);
}

TEST_F(Comeback, a_pod_that_was_never_there_is_not_tried_quickly) {
  pod(1).down();
  endpoints({1});
  EXPECT_EQ(state(1), pods::Connectivity::kTransientFailure);
  EXPECT_TRUE(connects(1, 700ms).empty());
}

TEST_F(Comeback, a_pod_that_does_not_even_refuse_is_not_tried_quickly) {
  endpoints({1});
  Peer& c = client();
  outside.mute = pod_at(1).address;
  call(c);
  run(5'500ms);  // the connection is given up, and a SYN on its way
  EXPECT_EQ(state(1), pods::Connectivity::kConnecting);
  call(c);
  EXPECT_FALSE(heard(c, 3).ended);
  run(1'000ms);
  expect_trailers_only(c, 3);  // it has waited for this one try only
}

TEST_F(Comeback, another_pod_takes_the_calls_meanwhile) {
  endpoints({1, 2});
  Peer& c = client();
  crash(1);
  for (int i = 0; i < 5; ++i) call(c);
  for (uint32_t id = 1; id < 10; id += 2) EXPECT_EQ(heard(c, id).body, "pod2");
}

TEST_F(Comeback, the_log_hears_of_each_pod_and_service_that_goes_and_comes_and_why) {
  endpoints({1, 2});
  auto all = changes();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].what, What::kPodReady);
  EXPECT_EQ(all[0].slot, 1u);

  crash(1);
  all = changes();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].what, What::kPodLost);
  EXPECT_STREQ(all[0].reason, "the pod reset the connection");
  run(30s);
  all = changes();
  ASSERT_EQ(all.size(), 1u) << "a pod that stays away says so once";
  EXPECT_EQ(all[0].what, What::kPodUnreachable);
  EXPECT_STREQ(all[0].reason, "connection refused");

  crash(2);
  run(30s);
  all = changes();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[1].what, What::kPodUnreachable);
  EXPECT_EQ(all[2].what, What::kServiceDown);
  EXPECT_STREQ(all[2].reason, "no endpoint is reachable");

  pod(1).up();
  run(15s);
  all = changes();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].what, What::kPodReady);
  EXPECT_EQ(all[1].what, What::kServiceUp);
}

TEST_F(Comeback, the_pods_of_a_service_that_only_l4_listeners_use_are_not_connected_to) {
  snapshot.listeners[0].protocol = config::Protocol::kTcp;
  endpoints({1});
  run(30s);
  EXPECT_EQ(stats_of(1).connects.get(), 0u);
  EXPECT_TRUE(changes().empty());
}

TEST_F(Comeback, a_pod_that_replaces_its_connections_is_routine) {
  endpoints({1});
  changes();
  pod(1).peer().h2->goaway(http2::kMaxStreamId, ErrorCode::kNoError);
  run(50ms);
  for (const stats::Change& c : changes()) EXPECT_TRUE(c.routine);
}

TEST_F(Comeback, a_pod_that_leaves_and_a_service_without_endpoints_are_told) {
  endpoints({1});
  changes();
  endpoints({});
  const auto all = changes();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].what, What::kPodLeft);
  EXPECT_EQ(all[1].what, What::kServiceDown);
  EXPECT_STREQ(all[1].reason, "the service has no endpoint");
}

TEST_F(Comeback, a_node_without_a_word_has_its_reason) {
  endpoints({1});
  changes();
  Peer& c = client();
  outside.mute = pod_at(1).address;
  call(c);
  run(8s);
  const auto all = changes();
  ASSERT_GE(all.size(), 2u);
  EXPECT_EQ(all[0].what, What::kPodLost);
  EXPECT_STREQ(all[0].reason, "no answer to what was sent");
  EXPECT_EQ(all[1].what, What::kPodUnreachable);
  EXPECT_STREQ(all[1].reason, "no answer to a SYN");
}

TEST_F(Comeback, a_listener_counts_the_calls_that_sluice_failed_by_reason) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  FieldList hurried = grpc();
  hurried.add(Name::kGrpcTimeout, "100m");
  call(c, true, hurried);
  run(150ms);
  crash(1);
  run(1s);
  call(c);
  EXPECT_EQ(failures(stats::Failure::kPodLost), 1u);
  EXPECT_EQ(failures(stats::Failure::kTime), 1u);
  EXPECT_EQ(failures(stats::Failure::kNoPod), 1u);
  EXPECT_EQ(failures(stats::Failure::kOther), 0u);
}

}  // namespace
}  // namespace sluice::relay
