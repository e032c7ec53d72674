// Calls that go wrong: what is tried again, what is told, and in which words.

#include "frame_pod.h"

namespace sluice::relay {
namespace {

TEST_F(RelayTest, a_refused_stream_goes_to_a_pod_that_was_not_tried) {
  endpoints({1, 2, 3});
  pod(1).way = pod(2).way = TestPod::Way::kRefuse;
  Peer& c = client();
  for (int i = 0; i < 6; ++i) {
    http2::Stream* s = call(c, false);
    body(c, s, "hello", true);
    EXPECT_EQ(heard(c, 1 + 2 * static_cast<uint32_t>(i)).body, "pod3");
  }
  EXPECT_GT(stats_of(1).retried.get(), 0u);
  EXPECT_EQ(stats_of(1).failed.get() + stats_of(2).failed.get(), 0u) << "no call failed";
}

TEST_F(RelayTest, a_call_that_every_pod_refuses_fails_after_the_allowed_tries) {
  snapshot.limits.transparent_retries = 5;
  endpoints({1, 2});
  pod(1).way = pod(2).way = TestPod::Way::kRefuse;
  Peer& c = client();
  call(c);
  EXPECT_EQ(pod(1).requests(), 1);
  EXPECT_EQ(pod(2).requests(), 1);
  // Both have refused: they get a little time, twice as much before each further try.
  run(200ms);
  expect_trailers_only(c);
  EXPECT_EQ(pod(1).requests() + pod(2).requests(), 6);
  EXPECT_EQ(worker->relay.retries_exhausted.get(), 1u);
  EXPECT_EQ(stats_of(1).failed.get() + stats_of(2).failed.get(), 1u) << "one call failed";
}

TEST_F(RelayTest, a_replayed_body_is_whole_and_credited_once) {
  endpoints({1, 2});
  pod(1).way = TestPod::Way::kRefuse;
  Peer& c = client();
  std::string sent;
  for (int i = 0; i < 4; ++i) {
    http2::Stream* s = call(c, false);
    sent.assign(40'000, static_cast<char>('a' + i));
    body(c, s, sent, true);
    EXPECT_EQ(heard(c, 1 + 2 * static_cast<uint32_t>(i)).body, "pod2");
  }
  for (auto& [id, h] : pod(2).peer().owner.streams) EXPECT_EQ(h.body.size(), 40'000u);
  EXPECT_FALSE(c.h2->failed()) << c.h2->detail();
}

TEST_F(RelayTest, streams_above_a_goaways_last_id_are_tried_elsewhere_and_those_below_go_on) {
  endpoints({1, 2});
  pod(1).way = pod(2).way = TestPod::Way::kSilent;
  Peer& c = client();
  for (int i = 0; i < 4; ++i) call(c);
  http2::Stream* second = pod(1).last;
  pod(2).way = TestPod::Way::kEcho;
  ASSERT_EQ(second->id(), 3u);
  pod(1).peer().h2->goaway(1, ErrorCode::kNoError);
  run();
  EXPECT_EQ(pod(2).requests(), 3);  // the second one of pod1, answered
  EXPECT_EQ(stats_of(1).retried.get(), 1u);
  EXPECT_EQ(in_flight(1), 1u);
}

TEST_F(RelayTest, an_announced_goaway_retires_the_connection_and_not_the_pod) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  Peer& old = pod(1).peer();
  http2::Stream* s = pod(1).last;
  old.h2->goaway(http2::kMaxStreamId, ErrorCode::kNoError);
  run();
  EXPECT_EQ(pod(1).peers.size(), 2u);
  pod(1).way = TestPod::Way::kEcho;
  call(c);
  EXPECT_EQ(heard(c, 3).body, "pod1");
  pod(1).answer(old, *s);
  run(50ms);
  EXPECT_EQ(heard(c, 1).body, "pod1");
  EXPECT_TRUE(old.closed || old.ended);
  EXPECT_EQ(stats_of(1).retried.get() + stats_of(1).failed.get(), 0u);
}

TEST_F(RelayTest, a_call_whose_headers_were_on_the_wire_is_not_repeated) {
  endpoints({1, 2});
  pod(1).way = pod(2).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  TestPod& hit = pod(1).requests() == 1 ? pod(1) : pod(2);
  hit.peer().tcp->abort();
  run();
  expect_trailers_only(c);
  EXPECT_EQ(pod(1).requests() + pod(2).requests(), 1);
  EXPECT_EQ(worker->relay.pods_lost.get(), 1u);
}

TEST_F(RelayTest,
       a_call_that_was_queued_when_the_pod_broke_the_protocol_is_not_sent_there_after_all) {
  endpoints({1});
  Peer& c = client();
  Peer& broken = pod(1).peer();
  // In one turn of the worker: the request first, then what ends the pod's connection.
  c.h2->open(grpc(), true, &c.owner);
  c.flush();
  outside.stack.flush(now);
  const std::string ping = http2::frame(http2::FrameType::kPing, 0, 0, "short");
  broken.tcp->send_queue().append(buffers.slice(ping));
  broken.tcp->push();
  outside.stack.flush(now);
  run();
  EXPECT_EQ(pod(1).requests(), 1);  // on the next connection
  EXPECT_TRUE(broken.closed);
  EXPECT_EQ(heard(c).body, "pod1");
}

TEST_F(RelayTest, a_guard_that_ends_a_connection_is_told_with_the_peers_address) {
  endpoints({1});
  Peer& c = client();
  Peer& broken = pod(1).peer();
  const auto flood = [&](Peer& from) {
    std::string pings;
    for (int i = 0; i < 100; ++i)
      pings += http2::frame(http2::FrameType::kPing, http2::kFlagAck, 0, "12345678");
    for (int i = 0; i < 20; ++i) from.tcp->send_queue().append(buffers.slice(pings));
    from.tcp->push();
  };
  const Endpoint client_address = c.tcp->local();
  const Endpoint pod_address = broken.tcp->local();
  flood(c);
  run();
  auto event = worker->events.pop();
  ASSERT_TRUE(event);
  EXPECT_STREQ(event->guard, "ping");
  EXPECT_EQ(event->peer, client_address);
  EXPECT_FALSE(event->pod);
  EXPECT_FALSE(worker->events.pop()) << "once";
  flood(broken);
  run();
  event = worker->events.pop();
  ASSERT_TRUE(event);
  EXPECT_STREQ(event->guard, "ping");
  EXPECT_EQ(event->peer, pod_address);
  EXPECT_TRUE(event->pod);
  EXPECT_FALSE(worker->events.pop()) << "once";
}

TEST_F(RelayTest,
       a_pods_goaway_is_told_with_its_code_and_words_and_nobody_is_accused_for_a_calm_one) {
  FramePod frames(outside, 4);
  endpoints({4});
  frames.side(0).goaway(http2::kMaxStreamId, ErrorCode::kNoError, "graceful");
  run(100ms);
  auto event = worker->events.pop();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, stats::Event::Kind::kRoutine);
  EXPECT_TRUE(event->pod);
  EXPECT_EQ(event->peer, pod_at(4));
  EXPECT_STREQ(event->what, "GOAWAY ");
  EXPECT_EQ(event->details(), "NO_ERROR, last stream 2147483647: graceful");
  ASSERT_EQ(frames.sides.size(), 2u);
  frames.side(1).goaway(0, ErrorCode::kEnhanceYourCalm,
                        "too\nmuch\x1b[31m of " + std::string(300, 'x'));
  frames.side(1).goaway(0, ErrorCode::kEnhanceYourCalm, "again");
  run(100ms);
  event = worker->events.pop();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, stats::Event::Kind::kGoesOn);
  EXPECT_TRUE(
      event->details().starts_with("ENHANCE_YOUR_CALM, last stream 0: too?much?[31m of xxx"))
      << event->details();
  EXPECT_EQ(event->details().size(), stats::Event::kDetail);
  EXPECT_FALSE(worker->events.pop()) << "once a connection";
  end();
}

TEST_F(RelayTest, a_pods_malformed_answer_is_counted_and_told_and_costs_its_call_only) {
  FramePod frames(outside, 4);
  endpoints({4});
  Peer& c = client();
  call(c);
  call(c);
  const auto malformed = [&](uint32_t stream) {
    frames.side(0).say(http2::frame(http2::FrameType::kHeaders, http2::kFlagEndHeaders, stream,
                                    std::string("\x88\x40\x01", 3) + "A" + "\x01" + "b"));
    run();
  };
  malformed(1);
  malformed(3);
  expect_trailers_only(c, 1);
  expect_trailers_only(c, 3);
  EXPECT_EQ(field(heard(c, 1).headers, Name::kGrpcMessage), "the pod broke the protocol");
  EXPECT_EQ(worker->http2.broken_answers.get(), 2u);
  const auto event = worker->events.pop();
  ASSERT_TRUE(event);
  EXPECT_STREQ(event->guard, "broken_answer");
  EXPECT_EQ(event->kind, stats::Event::Kind::kGoesOn);
  EXPECT_STREQ(event->what, "a malformed answer");
  EXPECT_FALSE(worker->events.pop()) << "once a connection";
  EXPECT_FALSE(frames.side(0).ended);
  end();
}

TEST_F(RelayTest, a_call_that_was_queued_when_the_pod_ended_its_side_is_not_sent_there_after_all) {
  endpoints({1});
  Peer& c = client();
  Peer& half = pod(1).peer();
  c.h2->open(grpc(), true, &c.owner);
  c.flush();
  outside.stack.flush(now);
  half.tcp->close();  // FIN: it could still read
  outside.stack.flush(now);
  run();
  EXPECT_EQ(pod(1).requests(), 1);  // on the next connection
  EXPECT_EQ(heard(c).body, "pod1");
}

TEST_F(RelayTest, a_call_that_waits_for_an_unfinished_connection_is_served_by_another_pod) {
  pod(1).down();
  endpoints({1});
  pod(1).up();
  endpoints({1, 2});
  Peer& c = client();
  call(c);
  EXPECT_EQ(heard(c).body, "pod2");
}

TEST_F(RelayTest, a_pod_lost_after_the_response_began_gives_grpc_clients_status_14) {
  endpoints({1});
  pod(1).way = TestPod::Way::kHeadersOnly;
  Peer& c = client();
  call(c);
  pod(1).peer().tcp->abort();
  run();
  EXPECT_EQ(field(heard(c).trailers, Name::kGrpcStatus), "14");
  EXPECT_TRUE(heard(c).ended);
}

TEST_F(RelayTest, a_pod_lost_after_the_response_began_is_never_a_clean_end_for_others) {
  endpoints({1});
  pod(1).way = TestPod::Way::kHeadersOnly;
  Peer& c = client();
  call(c, true, http2::request());
  pod(1).peer().tcp->abort();
  run();
  EXPECT_FALSE(heard(c).ended);
  EXPECT_TRUE(heard(c).reset);
  EXPECT_EQ(heard(c).code, ErrorCode::kInternalError);
}

TEST_F(RelayTest,
       without_endpoints_a_grpc_call_gets_one_section_and_a_reset_if_its_request_is_open) {
  endpoints({});
  Peer& c = client();
  call(c, true);
  expect_trailers_only(c, 1);
  EXPECT_FALSE(heard(c, 1).reset);
  call(c, false);
  expect_trailers_only(c, 3);
  EXPECT_TRUE(heard(c, 3).reset);
  EXPECT_EQ(heard(c, 3).code, ErrorCode::kNoError);
}

TEST_F(RelayTest, without_endpoints_other_clients_get_503) {
  endpoints({});
  Peer& c = client();
  FieldList web = http2::request();
  web.add(Name::kContentType, "application/grpc-web");
  call(c, true, http2::request());
  call(c, true, web);
  EXPECT_EQ(field(heard(c, 1).headers, Name::kStatus), "503");
  EXPECT_EQ(field(heard(c, 3).headers, Name::kStatus), "503");
}

TEST_F(RelayTest, calls_wait_while_a_pod_is_connecting_and_are_served_when_it_is_ready) {
  snapshot.services[0].connect_timeout = 3s;  // the second SYN leaves after one
  lb.cut = true;                              // SYNs are lost
  endpoints({1});
  lb.cut = false;
  Peer& c = client();
  call(c);
  EXPECT_FALSE(heard(c).ended);
  EXPECT_EQ(worker->service(0).queued.get(), 1u);
  run(6s);
  EXPECT_EQ(heard(c).body, "pod1");
  EXPECT_EQ(worker->service(0).queued.get(), 0u);
}

TEST_F(RelayTest, a_call_that_waited_fails_when_its_body_finds_no_memory_on_the_way_to_the_pod) {
  snapshot.services[0].connect_timeout = 3s;
  lb.cut = true;
  endpoints({1});
  lb.cut = false;
  Peer& c = client();
  http2::Stream* s = call(c, false);
  body(c, s, std::string(5'000, 'x'), true);
  Peer& larger = client();  // what the memory guard takes first
  s = call(larger, false);
  body(larger, s, std::string(20'000, 'x'), true);
  while (pod(1).peers.empty()) {
    now += 10ms;
    turn();
  }
  std::vector<buf::Slice> others;
  for (buf::Pool* pool : {&buffers.rx, &buffers.hold})
    while (pool->available() > 1'000) others.push_back(pool->alloc());
  buffers.memory.refresh();
  run();
  EXPECT_EQ(worker->relay.guard_memory.get(), 1u);
  EXPECT_TRUE(larger.closed);
  expect_trailers_only(c);
  EXPECT_EQ(worker->http2.memory_refusals.get(), 1u);
  EXPECT_EQ(worker->relay.streams.get(), 0u);
  EXPECT_EQ(in_flight(1), 0u);
  others.clear();
  call(c);
  EXPECT_EQ(heard(c, 3).body, "pod1");
}

TEST_F(RelayTest, no_more_calls_wait_than_allowed) {
  lb.cut = true;
  endpoints({1});
  lb.cut = false;
  Peer& c = client();
  for (int i = 0; i < 6; ++i) call(c);
  EXPECT_EQ(worker->service(0).queued.get(), 4u);
  EXPECT_EQ(worker->relay.queue_overflows.get(), 2u);
  expect_trailers_only(c, 9);
  expect_trailers_only(c, 11);
}

TEST_F(RelayTest, when_all_pods_fail_waiting_calls_fail_at_once) {
  pod(1).down();
  endpoints({1});
  Peer& c = client();
  call(c);
  run(100ms);
  expect_trailers_only(c);
  EXPECT_EQ(static_cast<pods::Connectivity>(stats_of(1).state.get()),
            pods::Connectivity::kTransientFailure);
  pod(1).up();
  run(2s);
  call(c);
  EXPECT_EQ(heard(c, 3).body, "pod1");
}

TEST_F(RelayTest, a_black_hole_is_noticed_within_its_patience_and_avoided) {
  endpoints({1, 2});
  pod(1).way = pod(2).way = TestPod::Way::kEcho;
  Peer& c = client();
  call(c);
  call(c);
  // Nothing reaches pod1 any more and nothing comes from it.
  pod(1).down();
  Peer& dead = pod(1).peer();
  dead.tcp->abort();
  outside.cut = true;  // not even its RST
  outside.stack.flush(now);
  outside.cut = false;
  run();
  for (int i = 0; i < 4; ++i) call(c);
  run(12s);
  for (uint32_t id = 5; id <= 11; id += 2) EXPECT_TRUE(heard(c, id).ended) << id;
  call(c);
  EXPECT_EQ(heard(c, 13).body, "pod2");
}

// Its window stays shut, its probes are answered: nothing else would ever end it.
TEST_F(RelayTest, a_failed_client_that_takes_no_bytes_goes_when_memory_is_short) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& slow = client();
  for (int i = 0; i < 10; ++i) {
    call(slow);
    slow.paused = true;
    pod(1).peer().h2->send_headers(*pod(1).last, http2::response(), false);
    for (int k = 0; k < 45; ++k)
      pod(1).peer().h2->send_data(*pod(1).last, buffers.slice(std::string(1400, 'x')), false);
    run();
  }
  const uint8_t broken[] = {0, 0, 1, 6, 0, 0, 0, 0, 0, 255};  // a PING of one byte
  ASSERT_TRUE(slow.tcp->send_queue().append_copy(broken, buffers.memory.hold()));
  slow.tcp->push();
  run(10s);
  EXPECT_EQ(worker->relay.client_connections.get(), 1u);
  EXPECT_EQ(worker->relay.guard_memory.get(), 0u);
  std::vector<buf::Slice> others;
  for (buffers.memory.refresh(); buffers.memory.roomy(); buffers.memory.refresh())
    others.push_back(buffers.memory.hold().alloc());
  run(10ms);
  EXPECT_EQ(worker->relay.guard_memory.get(), 1u);
  EXPECT_EQ(worker->relay.client_connections.get(), 0u);
}

// The same without a shortage. Whoever still reads what is in front of the end has time for it.
TEST_F(RelayTest, a_failed_client_that_takes_nothing_of_its_end_is_reset_and_a_slow_one_hears_it) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& deaf = client();
  Peer& slow = client();
  for (Peer* c : {&deaf, &slow}) {
    for (int i = 0; i < 10; ++i) {
      call(*c);
      c->paused = true;
      pod(1).peer().h2->send_headers(*pod(1).last, http2::response(), false);
      for (int k = 0; k < 45; ++k)
        pod(1).peer().h2->send_data(*pod(1).last, buffers.slice(std::string(1400, 'x')), false);
      run();
    }
    const uint8_t broken[] = {0, 0, 1, 6, 0, 0, 0, 0, 0, 255};  // a PING of one byte
    ASSERT_TRUE(c->tcp->send_queue().append_copy(broken, buffers.memory.hold()));
    c->tcp->push();
  }
  run();
  EXPECT_EQ(in_flight(1), 0u);
  for (int i = 0; i < 2; ++i) {
    run(20s);
    ASSERT_FALSE(slow.closed);
    slow.tcp->consumed(34'000);  // more than TCP asks of a connection that closes
  }
  EXPECT_EQ(worker->relay.guard_closing.get(), 1u);
  EXPECT_TRUE(deaf.closed);
  EXPECT_FALSE(slow.closed);
  slow.tcp->consumed(500'000);
  slow.paused = false;
  run(1s);
  EXPECT_TRUE(slow.closed);
  EXPECT_FALSE(slow.owner.goaway_debug.empty());
  EXPECT_EQ(worker->relay.guard_closing.get(), 1u);
  EXPECT_EQ(worker->relay.client_connections.get(), 0u);
}

TEST_F(RelayTest, a_drain_announces_then_names_the_last_stream_and_loses_nothing) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  http2::Stream* s = pod(1).last;
  relay->set_now(now);
  relay->begin_drain({}, 10s);
  run();
  EXPECT_TRUE(c.has("goaway 2147483647 NO_ERROR"));
  EXPECT_TRUE(c.has("goaway 1 NO_ERROR"));
  EXPECT_FALSE(relay->drained());
  pod(1).answer(pod(1).peer(), *s);
  run(100ms);
  EXPECT_EQ(heard(c).body, "pod1");
  EXPECT_TRUE(relay->drained());
}

TEST_F(RelayTest, what_a_drain_does_not_wait_for_ends_with_14) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& c = client();
  call(c);
  relay->set_now(now);
  relay->begin_drain({}, 2s);
  run(2100ms);
  expect_trailers_only(c);
  EXPECT_EQ(pod(1).peer().owner.streams[1].code, ErrorCode::kCancel);
  EXPECT_TRUE(relay->drained());
}

TEST_F(RelayTest, while_a_drain_is_announced_new_connections_are_accepted) {
  endpoints({1});
  relay->set_now(now);
  relay->begin_drain(1s, 10s);
  Peer& c = client();
  call(c);
  EXPECT_EQ(heard(c).body, "pod1");
  run(1100ms);
  EXPECT_TRUE(c.has("goaway 2147483647 NO_ERROR"));
  Peer& late = client();
  run(100ms);
  EXPECT_TRUE(late.closed);
}

TEST_F(RelayTest, a_listener_that_leaves_moves_its_clients_away_and_a_new_one_takes_its_place) {
  endpoints({1});
  Peer& c = client();
  call(c);
  auto listeners = std::exchange(snapshot.listeners, {});
  adopt();
  run(100ms);
  EXPECT_TRUE(c.has("goaway 1 NO_ERROR"));
  EXPECT_TRUE(c.ended);
  snapshot.listeners = listeners;
  adopt();
  Peer& d = client();
  call(d);
  EXPECT_EQ(heard(d).body, "pod1");
}

TEST_F(RelayTest, a_service_that_is_back_while_its_calls_wait_has_its_pods_and_counters_again) {
  pod(1).config.max_concurrent_streams = 1;
  pod(1).way = TestPod::Way::kSilent;
  endpoints({1});
  pod(1).down();  // no further connection
  Peer& c = client();
  call(c);
  call(c);
  EXPECT_EQ(worker->service(0).queued.get(), 1u);
  const auto right = snapshot.services;
  snapshot.services[0] = {.name = "wrong", .slot = 1};
  snapshot.services[0].pods.push_back({.endpoint = pod_at(2), .id = "pod2", .slot = 2});
  adopt();
  run(1s);
  snapshot.services = right;
  adopt();
  run(10s);  // longer than queue_timeout
  EXPECT_EQ(stats_of(1).state.get(), static_cast<uint64_t>(pods::Connectivity::kReady));
  EXPECT_EQ(stats_of(1).connections.get(), 1u);
  EXPECT_EQ(worker->service(0).queued.get(), 0u) << "the call has waited for queue_timeout";
  pod(1).answer(pod(1).peer(), *pod(1).last);
  run();
  EXPECT_EQ(heard(c).body, "pod1");
}

TEST_F(RelayTest, a_service_that_is_back_while_its_pods_drain_takes_them_back) {
  pod(1).way = TestPod::Way::kSilent;
  endpoints({1});
  Peer& c = client();
  call(c);
  const auto right = snapshot.services;
  snapshot.services[0] = {.name = "wrong", .slot = 1};
  adopt();
  run(1s);
  EXPECT_EQ(stats_of(1).state.get(), static_cast<uint64_t>(pods::Connectivity::kShutdown));
  EXPECT_EQ(stats_of(1).connections.get(), 1u);
  snapshot.services = right;
  adopt();
  run(1s);
  EXPECT_EQ(stats_of(1).state.get(), static_cast<uint64_t>(pods::Connectivity::kReady));
  pod(1).answer(*pod(1).peers.front(), *pod(1).last);
  run();
  EXPECT_EQ(heard(c).body, "pod1");
  EXPECT_EQ(stats_of(1).connections.get(), 1u) << "the new connection; the old one has ended";
}

TEST_F(RelayTest, a_client_of_a_listener_that_left_may_still_call_until_it_has_heard_so) {
  endpoints({});
  Peer& c = client();
  snapshot.services.clear();
  snapshot.listeners.clear();
  adopt();
  c.h2->open(grpc(), true, &c.owner);
  run();
  expect_trailers_only(c);
}

TEST_F(RelayTest, clients_that_reset_without_end_do_not_cost_a_bystander_his_call) {
  endpoints({1});
  pod(1).way = TestPod::Way::kSilent;
  Peer& bystander = client();
  call(bystander);
  http2::Stream* patient = pod(1).last;
  Peer& first = pod(1).peer();
  // Each of many clients stays below what would end its own connection.
  for (int i = 0; i < 30; ++i) {
    Peer& hostile = client();
    for (int j = 0; j < 50; ++j) {
      http2::Stream* s = call(hostile);
      ASSERT_NE(s, nullptr);
      hostile.h2->reset(*s, ErrorCode::kCancel);
      run();
    }
  }
  EXPECT_GT(worker->relay.pod_reset_budgets.get(), 1u);
  for (auto& peer : pod(1).peers) {
    size_t resets = 0;
    for (auto& [id, h] : peer->owner.streams) resets += h.reset;
    EXPECT_LT(resets, 600u);  // of the 1000 that nghttp2 allows at once
  }
  pod(1).answer(first, *patient);
  run(100ms);
  EXPECT_EQ(heard(bystander).body, "pod1");
}

}  // namespace
}  // namespace sluice::relay
