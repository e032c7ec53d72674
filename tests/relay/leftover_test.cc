// Calls that one side is done with while the other is not, and connections that end in the middle.

#include "relay/frame_pod.h"

namespace sluice::relay {
namespace {

struct Leftovers : RelayTest {
  ~Leftovers() override { end(); }

  // A call that is over for its client, whose pod has read 1,000 of 40,000 bytes.
  Peer& answered_early(FieldList request = grpc()) {
    pod(1).config.initial_stream_window = 1'000;
    pod(1).way = TestPod::Way::kSilent;
    endpoints({1});
    Peer& c = client();
    http2::Stream* s = call(c, false, request);
    body(c, s, std::string(40'000, 'x'), true);
    FieldList answer = http2::response();
    answer.add(Name::kGrpcStatus, "16");
    pod(1).peer().h2->send_headers(*pod(1).last, answer, true);
    run();
    EXPECT_TRUE(heard(c).closed);
    EXPECT_EQ(in_flight(1), 1u);
    return c;
  }
};

TEST_F(Leftovers, the_rest_of_a_request_goes_to_a_pod_that_answered_early_and_reads_on) {
  answered_early();
  pod(1).peer().h2->consumed(*pod(1).last, 1'000);
  pod(1).way = TestPod::Way::kHeadersOnly;  // reads
  run(1s);
  EXPECT_EQ(in_flight(1), 0u);
  EXPECT_EQ(pod(1).peer().owner.streams[1].body.size(), 40'000u);
}

TEST_F(Leftovers, of_a_client_that_has_gone_meet_their_deadline) {
  FieldList request = grpc();
  request.add(Name::kGrpcTimeout, "5S");
  answered_early(request).tcp->close();
  run(100ms);
  EXPECT_EQ(worker->relay.client_connections.get(), 0u);
  EXPECT_EQ(in_flight(1), 1u);
  run(6s);
  EXPECT_EQ(in_flight(1), 0u);
  EXPECT_EQ(worker->relay.streams.get(), 0u);
}

TEST_F(Leftovers, end_when_the_pod_takes_nothing_for_half_a_minute) {
  answered_early();
  run(29s);
  EXPECT_EQ(in_flight(1), 1u);
  run(2s);
  EXPECT_EQ(in_flight(1), 0u);
  EXPECT_EQ(worker->relay.streams.get(), 0u);
  EXPECT_EQ(worker->relay.stream_idle_timeouts.get(), 0u);
}

TEST_F(Leftovers, outlive_their_listener) {
  answered_early().tcp->close();
  run(100ms);
  snapshot.listeners.clear();
  adopt();
  run(100ms);
  snapshot.listeners.push_back({.name = "other", .address = at("198.18.0.11:50051"), .slot = 1});
  adopt();
  run(31s);
  EXPECT_EQ(worker->listener(0).active_streams.get(), 0u);
  EXPECT_EQ(worker->relay.streams.get(), 0u);
}

TEST_F(Leftovers, are_the_first_to_go_when_memory_is_short) {
  answered_early();
  Peer& other = client();
  std::vector<buf::Slice> taken;
  while (buffers.hold.available() > 1'000) taken.push_back(buffers.hold.alloc());
  run();
  EXPECT_EQ(in_flight(1), 0u);
  EXPECT_FALSE(other.closed);
}

struct Ends : RelayTest {
  ~Ends() override { end(); }
};

TEST_F(Ends, a_client_that_says_fin_has_left_its_calls) {
  pod(1).way = TestPod::Way::kSilent;
  endpoints({1});
  Peer& c = client();
  call(c, false);
  call(c);  // a whole request
  EXPECT_EQ(in_flight(1), 2u);
  c.tcp->close();
  run(10ms);
  EXPECT_EQ(in_flight(1), 0u);
  EXPECT_EQ(pod(1).peer().owner.streams[1].code, ErrorCode::kCancel);
  EXPECT_EQ(pod(1).peer().owner.streams[3].code, ErrorCode::kCancel);
  EXPECT_EQ(worker->relay.client_connections.get(), 0u);
}

TEST_F(Ends, a_drain_does_not_wait_for_a_client_that_takes_nothing) {
  pod(1).way = TestPod::Way::kSilent;
  endpoints({1});
  http2::Config small;
  small.initial_stream_window = 1'000;
  Peer& c = client(small);
  c.owner.data_hook = [](http2::Stream&, buf::Slice, bool) {};
  call(c);
  pod(1).peer().h2->send_headers(*pod(1).last, http2::response(), false);
  for (int i = 0; i < 5; ++i)
    pod(1).peer().h2->send_data(*pod(1).last, buffers.slice(std::string(1'400, 'x')), false);
  run();
  relay->set_now(now);
  relay->begin_drain({}, 1s);
  run(1'900ms);
  EXPECT_FALSE(relay->drained());  // the last words may still be read
  EXPECT_EQ(in_flight(1), 0u);
  run(200ms);
  EXPECT_TRUE(relay->drained());
  EXPECT_TRUE(c.closed);
}

TEST_F(Ends, a_drain_lets_a_slow_client_have_the_rest_of_a_whole_answer) {
  pod(1).way = TestPod::Way::kSilent;
  endpoints({1});
  http2::Config small;
  small.initial_stream_window = 1'000;
  for (const bool speaks_grpc : {false, true}) {
    Peer& c = client(small);
    c.owner.data_hook = [](http2::Stream&, buf::Slice, bool) {};
    call(c, true, speaks_grpc ? grpc() : http2::request("/"));
    Peer& p = pod(1).peer();
    p.h2->send_headers(*pod(1).last, http2::response(), false);
    p.h2->send_data(*pod(1).last, buffers.slice(std::string(1'400, 'x')), false);
    p.h2->send_headers(*pod(1).last, http2::trailers(), true);
    run();
    EXPECT_EQ(heard(c).body.size(), 1'000u);
  }
  relay->set_now(now);
  relay->begin_drain({}, 1s);
  run(1'010ms);
  for (auto& c : clients) {
    EXPECT_FALSE(heard(*c).reset) << http2::text_of(heard(*c).code);
    if (c->h2->open_streams() == 0) continue;
    c->owner.connection = &*c->h2;
    c->h2->for_each_stream([&](http2::Stream& s) { c->h2->consumed(s, 1'000); });
  }
  run(10ms);
  for (auto& c : clients) {
    EXPECT_EQ(heard(*c).body.size(), 1'400u);
    EXPECT_EQ(field(heard(*c).trailers, Name::kGrpcStatus), "0");
  }
  EXPECT_EQ(worker->service(0).failed.get(), 0u);
}

TEST_F(Ends, what_a_pod_says_behind_a_whole_answer_is_not_the_clients) {
  pod(1).way = TestPod::Way::kSilent;
  endpoints({1});
  Peer& c = client();
  call(c, false);
  Peer& p = pod(1).peer();
  p.h2->send_headers(*pod(1).last, http2::response(), false);
  p.h2->send_headers(*pod(1).last, http2::trailers(), true);
  p.h2->reset_after_output(*pod(1).last, ErrorCode::kRefusedStream);
  run();
  EXPECT_EQ(heard(c).code, ErrorCode::kNoError);
}

// --- Memory ---

struct Shortage : RelayTest {
  ~Shortage() override {
    taken.clear();
    end();
  }
  // Until so many are left, of both pools.
  void leave(uint32_t hold, uint32_t rx) {
    while (buffers.hold.available() > hold) taken.push_back(buffers.hold.alloc());
    while (buffers.rx.available() > rx) taken.push_back(buffers.rx.alloc());
  }
  // A client that is slow to read a little.
  Peer& slow_reader() {
    http2::Config small;
    small.initial_stream_window = 1'000;
    Peer& c = client(small);
    c.owner.data_hook = [](http2::Stream&, buf::Slice, bool) {};
    call(c);
    http2::Stream& s = *pod(1).last;
    pod(1).peer().h2->send_headers(s, http2::response(), false);
    pod(1).peer().h2->send_data(s, buffers.slice(std::string(1'400, 'x')), false);
    run();
    return c;
  }

  std::vector<buf::Slice> taken;
};

TEST_F(Shortage, takes_what_is_kept_for_further_tries_before_any_client) {
  pod(1).way = TestPod::Way::kSilent;
  endpoints({1});
  Peer& bystander = slow_reader();
  Peer& uploader = client();
  for (int i = 0; i < 8; ++i)
    body(uploader, call(uploader, false), std::string(50'000, 'x'), false);
  const uint32_t before = buffers.hold.available() + buffers.rx.available();
  std::vector<buf::Slice> fill;
  while (buffers.hold.available() > 1'000) fill.push_back(buffers.hold.alloc());
  now += 2ms;
  run();
  EXPECT_GT(buffers.hold.available() + buffers.rx.available() + fill.size(), before + 200);
  fill.clear();
  EXPECT_FALSE(bystander.closed);
  EXPECT_EQ(in_flight(1), 9u);
}

TEST_F(Shortage, is_laid_to_those_whose_requests_no_pod_takes) {
  pod(1).way = TestPod::Way::kSilent;
  pod(1).config.initial_stream_window = 1'000;
  endpoints({1});
  Peer& bystander = slow_reader();
  Peer& uploader = client();
  for (int i = 0; i < 8; ++i)
    body(uploader, call(uploader, false), std::string(50'000, 'x'), false);
  leave(1'000, 1'000);
  for (int i = 0; i < 3 && !uploader.closed; ++i) {
    now += 2ms;
    run();
  }
  EXPECT_TRUE(uploader.closed);
  EXPECT_EQ(worker->relay.guard_memory.get(), 1u);
  taken.clear();
  run(10ms);
  EXPECT_FALSE(bystander.closed);
}

TEST_F(Shortage, counts_buffers_and_not_the_bytes_in_them) {
  // 50 answers of 6 bytes each pin 50 buffers; one of 6,600 pins five.
  pod(1).way = TestPod::Way::kSilent;
  endpoints({1});
  http2::Config shut;
  shut.initial_stream_window = 0;
  Peer& many = client(shut);
  Peer& few = client(shut);
  const auto answer = [&](size_t pieces, size_t size) {
    http2::Stream& s = *pod(1).last;
    pod(1).peer().h2->send_headers(s, http2::response(), false);
    for (size_t i = 0; i < pieces; ++i)
      pod(1).peer().h2->send_data(s, buffers.slice(std::string(size, 'x')), false);
    run();
  };
  for (int i = 0; i < 50; ++i) {
    call(many);
    answer(1, 6);
  }
  call(few);
  answer(5, 1'320);
  leave(1'000, 16'000);
  while (worker->relay.guard_memory.get() == 0) {
    now += 2ms;
    run();
  }
  EXPECT_TRUE(many.closed);
  EXPECT_FALSE(few.closed);
}

// --- Pods ---

struct Pods : RelayTest {
  ~Pods() override { end(); }
  FramePod frames{outside, 4};
};

TEST_F(Pods, that_get_the_slot_of_one_that_left_are_others) {
  endpoints({1});
  Peer& c = client();
  call(c);
  EXPECT_EQ(heard(c).body, "pod1");
  snapshot.services[0].pods.clear();
  adopt();
  run(100ms);
  snapshot.services[0].pods.push_back({.endpoint = pod_at(2), .id = "pod2", .slot = 1});
  adopt();
  run(100ms);
  call(c);
  EXPECT_EQ(heard(c, 3).body, "pod2");
}

TEST_F(Pods, that_refuse_a_second_connection_are_asked_again_while_calls_wait) {
  frames.limit = 1;
  endpoints({4});
  snapshot.services[0].queue_timeout = 30s;
  adopt();
  run();
  Peer& c = client();
  call(c);
  frames.down();
  call(c);
  run(100ms);
  frames.up();
  EXPECT_EQ(worker->service(0).queued.get(), 1u);
  run(3s);
  EXPECT_EQ(worker->service(0).queued.get(), 0u);
  EXPECT_EQ(frames.sides.size(), 2u);
}

TEST_F(Pods, of_a_service_that_a_reload_replaces_still_take_the_calls_that_wait_for_them) {
  frames.limit = 1;
  endpoints({4});
  Peer& c = client();
  call(c);
  frames.down();  // no other connection
  call(c);
  run(100ms);
  ASSERT_EQ(worker->service(0).queued.get(), 1u);
  snapshot.services[0].name = "green";
  snapshot.services[0].slot = 1;
  adopt();
  run(1s);
  EXPECT_FALSE(heard(c, 3).closed);
  frames.side(0).answer(1);
  run(1s);
  EXPECT_EQ(frames.side(0).requests().size(), 2u) << "the call that waited has begun";
}

TEST_F(Pods, that_refuse_a_call_get_it_on_another_connection_when_there_is_no_other_pod) {
  endpoints({4});
  Peer& c = client();
  call(c);
  frames.side(0).say(http2::frame(http2::FrameType::kRstStream, 0, frames.side(0).requests().back(),
                                  http2::number(7)));
  run(100ms);
  ASSERT_EQ(frames.sides.size(), 2u);
  EXPECT_EQ(frames.side(0).requests().size(), 1u);
  EXPECT_EQ(frames.side(1).requests().size(), 1u);
}

TEST_F(Pods, that_never_had_a_call_come_before_those_whose_goaway_gave_it_back) {
  snapshot.limits.pod_connection_streams = 1;
  endpoints({4});
  Peer& c = client();
  call(c);
  run(100ms);
  call(c);
  run(100ms);
  ASSERT_EQ(frames.sides.size(), 2u);
  EXPECT_EQ(frames.side(1).requests().size(), 0u);
  endpoints({4, 1});
  run(100ms);
  frames.side(0).goaway(0);
  run(100ms);
  EXPECT_EQ(frames.side(1).requests().size(), 0u);
  EXPECT_EQ(pod(1).requests(), 2);
}

TEST_F(Pods, that_refuse_are_left_for_others_where_no_call_may_wait) {
  snapshot.services[0].queue_timeout = 0s;
  endpoints({1, 2});
  pod(1).way = TestPod::Way::kRefuse;
  Peer& c = client();
  for (uint32_t id = 1; id <= 7; id += 2) {
    call(c);
    EXPECT_EQ(heard(c, id).body, "pod2");
  }
}

}  // namespace
}  // namespace sluice::relay
