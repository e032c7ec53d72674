// Bytes, ends and resets cross from each side to the other.

#include <set>

#include "fixture.h"

namespace sluice::splice {
namespace {

std::string pattern(size_t n) {
  std::string s(n, ' ');
  for (size_t i = 0; i < n; ++i) s[i] = static_cast<char>(i * 31 + i / 251);
  return s;
}

class Relay : public SpliceTest {
 protected:
  Relay() { endpoints({1}); }
};

TEST_F(Relay, bytes_cross_both_ways_in_order) {
  Peer& c = client();
  ASSERT_EQ(pod(1).peers.size(), 1u) << "connected before the client says a word";
  c.say("hello");
  run();
  EXPECT_EQ(pod(1).peer().heard, "hello");
  pod(1).peer().say("welcome");
  run();
  EXPECT_EQ(c.heard, "welcome");
  EXPECT_EQ(counters().bytes_to_pods.get(), 5u);
  EXPECT_EQ(counters().bytes_to_clients.get(), 7u);
  EXPECT_EQ(worker->listener(0).relayed_in.get(), 5u);
  EXPECT_EQ(worker->listener(0).relayed_out.get(), 7u);
  EXPECT_EQ(stats_of(1).relayed_in.get(), 5u);
  EXPECT_EQ(stats_of(1).relayed_out.get(), 7u);
  EXPECT_EQ(worker->listener(0).active_connections.get(), 1u);
}

TEST_F(Relay, large_transfers_cross_both_ways_at_once) {
  const std::string up = pattern(3'000'000), down = pattern(2'500'001);
  Peer& c = client();
  c.say(up);
  pod(1).peer().say(down);
  run(1s);
  EXPECT_EQ(pod(1).peer().heard == up, true);
  EXPECT_EQ(c.heard == down, true);
}

TEST_F(Relay, a_fin_is_a_fin_and_the_other_direction_goes_on) {
  Peer& c = client();
  c.say("question");
  c.tcp->close();
  run();
  EXPECT_EQ(pod(1).peer().heard, "question");
  EXPECT_TRUE(pod(1).peer().ended);
  EXPECT_FALSE(c.ended);
  run(200s);  // longer than FIN-WAIT-2 lasts elsewhere
  pod(1).peer().say("answer");
  run();
  EXPECT_EQ(c.heard, "answer");
  pod(1).peer().tcp->close();
  run();
  EXPECT_TRUE(c.ended);
  EXPECT_EQ(c.closed, tcp::CloseReason::kFinished);
  EXPECT_EQ(counters().ended_finished.get(), 1u);
  EXPECT_EQ(counters().open.get(), 0u);
  EXPECT_EQ(open_on(1), 0u);
}

TEST_F(Relay, a_pod_may_end_first) {
  Peer& c = client();
  pod(1).peer().say("bye");
  pod(1).peer().tcp->close();
  run();
  EXPECT_EQ(c.heard, "bye");
  EXPECT_TRUE(c.ended);
  c.say("more");
  run();
  EXPECT_EQ(pod(1).peer().heard, "more");
}

TEST_F(Relay, a_reader_that_is_slow_after_the_end_still_gets_everything) {
  const std::string all = pattern(600'000);
  Peer& c = client();
  pod(1).peer().paused = true;
  c.say(all);
  c.tcp->close();
  run(300s);  // longer than closing_timeout
  ASSERT_FALSE(pod(1).peer().closed);
  pod(1).peer().read();
  run(1s);
  EXPECT_EQ(pod(1).peer().heard == all, true);
  EXPECT_TRUE(pod(1).peer().ended);
}

TEST_F(Relay, a_reset_of_the_pod_is_a_reset_of_the_client_behind_the_bytes_before_it) {
  Peer& c = client();
  pod(1).peer().say("last words");
  run();
  pod(1).peer().tcp->abort();
  run(100ms);  // a delayed ACK
  EXPECT_EQ(c.heard, "last words");
  EXPECT_FALSE(c.ended);
  EXPECT_EQ(c.closed, tcp::CloseReason::kReset);
  EXPECT_EQ(counters().ended_pod_reset.get(), 1u);
  EXPECT_EQ(counters().open.get(), 0u);
}

TEST_F(Relay, a_reset_of_the_client_is_a_reset_of_the_pod) {
  Peer& c = client();
  c.say("hello");
  run();
  c.tcp->abort();
  run(10ms);
  EXPECT_EQ(pod(1).peer().closed, tcp::CloseReason::kReset);
  EXPECT_EQ(counters().ended_client_reset.get(), 1u);
  EXPECT_EQ(open_on(1), 0u);
}

TEST_F(Relay, a_reset_waits_a_second_for_a_client_that_reads_slowly_and_no_longer) {
  Peer& c = client();
  c.paused = true;
  pod(1).peer().say(pattern(800'000));
  run();
  pod(1).peer().tcp->abort();
  run(500ms);
  EXPECT_FALSE(c.closed);
  run(1s);
  EXPECT_EQ(c.closed, tcp::CloseReason::kReset);
  EXPECT_EQ(counters().open.get(), 0u);
}

TEST_F(Relay, bytes_that_nobody_takes_keep_the_senders_window_shut) {
  Peer& c = client();
  pod(1).peer().paused = true;
  for (int i = 0; i < 100; ++i) {
    c.say(pattern(100'000));
    run();
  }
  // The pod's own window of 256 KiB, as much ahead of it, and the client's window.
  EXPECT_LT(counters().bytes_to_pods.get(), 400'000u);
  EXPECT_GT(c.tcp->send_queue().size(), 9'000'000u);
  run(3s);
  EXPECT_GT(c.tcp->send_queue().size(), 9'000'000u);
  pod(1).peer().read();
  run(2s);
  EXPECT_EQ(pod(1).peer().heard.size(), 10'000'000u);
}

TEST_F(Relay, bytes_one_at_a_time_share_buffers) {
  Peer& c = client();
  pod(1).peer().paused = true;
  c.say(pattern(700'000));
  run();
  const uint32_t before = buffers.memory.hold_free();
  for (int i = 0; i < 3'000; ++i) {
    pod(1).peer().say("x");
    turn();
  }
  c.paused = true;
  buffers.memory.refresh();
  EXPECT_GT(buffers.memory.hold_free() + 200, before);
}

TEST_F(Relay, a_connect_that_is_refused_goes_to_another_pod_with_the_clients_bytes) {
  endpoints({1, 2, 3});
  pod(1).down();
  pod(2).down();
  for (int i = 0; i < 6; ++i) {
    Peer& c = client();
    c.say("hello");
    run();
    EXPECT_EQ(pod(3).peer().heard, "hello");
  }
  EXPECT_EQ(pod(3).peers.size(), 6u);
  EXPECT_GT(counters().connect_retries.get(), 0u);
  EXPECT_LE(stats_of(1).connects.get(), 2u) << "a pod that refuses is left alone for a second";
  EXPECT_EQ(stats_of(1).state.get(), static_cast<uint64_t>(pods::Connectivity::kTransientFailure));
  EXPECT_EQ(stats_of(3).state.get(), static_cast<uint64_t>(pods::Connectivity::kReady));
}

TEST_F(Relay, a_connect_without_an_answer_goes_to_another_pod_after_connect_timeout) {
  endpoints({1, 2});
  outside.mute = pod_at(1).address;
  Peer& a = client();
  Peer& b = client();
  a.say("hello");
  b.say("hello");
  run(1500ms);
  EXPECT_EQ(pod(2).peers.size(), 2u);
  for (auto& p : pod(2).peers) EXPECT_EQ(p->heard, "hello");
  EXPECT_EQ(open_on(1), 0u);
}

TEST_F(Relay, a_client_is_reset_when_no_pod_takes_the_connection) {
  pod(1).down();
  Peer& c = client();
  run(10ms);
  EXPECT_EQ(c.closed, tcp::CloseReason::kReset);
  EXPECT_EQ(counters().refused_unreachable.get(), 1u);
  endpoints({});
  Peer& d = client();
  run(10ms);
  EXPECT_EQ(d.closed, tcp::CloseReason::kReset);
  EXPECT_EQ(counters().refused_no_pod.get(), 1u);
}

TEST_F(Relay, a_client_that_goes_before_its_pod_is_connected_leaves_nothing_behind) {
  outside.mute = pod_at(1).address;
  Peer& c = client();
  EXPECT_EQ(open_on(1), 1u);
  c.tcp->abort();
  run(10ms);
  EXPECT_EQ(counters().open.get(), 0u);
  EXPECT_EQ(open_on(1), 0u);
}

TEST_F(Relay, connections_go_to_the_pods_in_turn) {
  endpoints({1, 2, 3});
  for (int i = 0; i < 9; ++i) client();
  for (int n = 1; n <= 3; ++n) EXPECT_EQ(open_on(n), 3u);
}

TEST_F(Relay, least_request_counts_connections) {
  snapshot.services[0].balance = config::Balance::kLeastRequest;
  endpoints({1, 2});
  std::vector<Peer*> all;
  for (int i = 0; i < 20; ++i) all.push_back(&client());
  EXPECT_EQ(open_on(1), 10u);
  EXPECT_EQ(open_on(2), 10u);
}

TEST_F(Relay, a_pod_that_leaves_keeps_its_connections_and_gets_no_others) {
  Peer& c = client();
  endpoints({2});
  client();
  EXPECT_EQ(open_on(1), 1u);
  EXPECT_EQ(open_on(2), 1u);
  c.say("hello");
  run();
  EXPECT_EQ(pod(1).peer().heard, "hello");
}

TEST_F(Relay, connections_outlive_their_listener_and_hold_its_address) {
  Peer& c = client();
  const auto listeners = std::exchange(snapshot.listeners, {});
  adopt();
  EXPECT_EQ(splicer->vips(), std::vector<Address>{kVip.address});
  Peer& late = client();
  EXPECT_EQ(late.closed, tcp::CloseReason::kReset);
  c.say("hello");
  run();
  EXPECT_EQ(pod(1).peer().heard, "hello");
  EXPECT_TRUE(splicer->active());
  c.tcp->abort();
  run(10ms);
  EXPECT_TRUE(splicer->vips_changed());
  EXPECT_TRUE(splicer->vips().empty());
  EXPECT_FALSE(splicer->active());
}

TEST_F(Relay, a_drain_refuses_new_connections_and_resets_those_that_outlast_it) {
  Peer& c = client();
  splicer->begin_drain(0s, 10s);
  EXPECT_FALSE(splicer->drained());
  EXPECT_EQ(client().closed, tcp::CloseReason::kReset);
  run(9s);
  EXPECT_FALSE(c.closed);
  run(2s);
  EXPECT_EQ(c.closed, tcp::CloseReason::kReset);
  EXPECT_EQ(counters().ended_drain.get(), 1u);
  EXPECT_TRUE(splicer->drained());
}

TEST_F(Relay, a_connection_on_which_nothing_moves_ends_after_the_idle_timeout) {
  snapshot.timeouts.relay_idle = 60s;
  adopt();
  Peer& idle = client();
  Peer& busy = client();
  for (int i = 0; i < 5; ++i) {
    run(25s);
    busy.say("x");
  }
  EXPECT_EQ(idle.closed, tcp::CloseReason::kReset);
  EXPECT_FALSE(busy.closed);
  EXPECT_EQ(counters().ended_idle.get(), 1u);
}

TEST_F(Relay, an_idle_timeout_of_a_reload_holds_for_connections_that_are_there) {
  snapshot.timeouts.relay_idle = {};
  adopt();
  Peer& c = client();
  snapshot.timeouts.relay_idle = 5s;
  adopt();
  run(6s);
  EXPECT_EQ(c.closed, tcp::CloseReason::kReset);
}

TEST_F(Relay, the_connection_that_keeps_the_most_is_reset_when_memory_is_short) {
  Peer& good = client();
  std::vector<Peer*> greedy;
  for (int i = 0; i < 4; ++i) {
    greedy.push_back(&client());
    pod(1).peer().paused = true;
    greedy.back()->say(pattern(700'000));
    run();
  }
  // The rest of the pool is taken.
  std::vector<buf::Slice> taken;
  buffers.memory.refresh();
  while (buffers.memory.roomy()) {
    taken.push_back(buffers.hold.alloc());
    buffers.memory.refresh();
  }
  run(20ms);
  EXPECT_GE(counters().guard_memory.get(), 1u);
  EXPECT_TRUE(
      std::any_of(greedy.begin(), greedy.end(), [](Peer* p) { return p->closed.has_value(); }));
  EXPECT_FALSE(good.closed);
}

}  // namespace
}  // namespace sluice::splice
