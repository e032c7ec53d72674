// Frames in each state of a stream (RFC 9113, 5.1), and which ids streams may have (5.1.1).

#include <random>

#include "raw.h"

namespace sluice::http2 {
namespace {

using enum FrameType;

const std::string kWindowUpdate1 = frame(kWindowUpdate, 0, 1, number(1));

struct StreamsOfClients : RawClient {
  // Ends stream `id` from our side.
  void answer_at_once() {
    side->owner.headers_hook = [this](Stream& s, Handler::Section, bool) {
      side->http2.send_headers(s, response(), true);
    };
  }
  void begin() override {
    if (at_once) answer_at_once();
  }
  // All our frames about a stream.
  std::vector<FrameType> about(uint32_t id, const std::vector<Frame>& said) {
    std::vector<FrameType> types;
    for (const Frame& f : said)
      if (f.head.stream == id) types.push_back(f.head.type);
    return types;
  }
  bool at_once = false;
};
struct StreamsOfPods : RawPod {};

// idle.

TEST_F(StreamsOfClients, idle_streams_know_only_headers_and_priority) {
  accepts(frame(kPriority, 0, 1, "12345") + headers(1, true));
  fails(data(1, "x"), ErrorCode::kProtocolError);
  fails(rst(1), ErrorCode::kProtocolError);
  fails(kWindowUpdate1, ErrorCode::kProtocolError);
}

TEST_F(StreamsOfPods, idle_streams_of_either_side_know_no_frame_of_the_pod) {
  for (const uint32_t id : {2u, 3u}) {
    fails(headers(id, true, response()), ErrorCode::kProtocolError);
    fails(data(id, "x"), ErrorCode::kProtocolError);
    fails(rst(id), ErrorCode::kProtocolError);
    fails(frame(kWindowUpdate, 0, id, number(1)), ErrorCode::kProtocolError);
  }
}

// half-closed (remote).

TEST_F(StreamsOfClients, after_the_clients_end_only_window_priority_and_reset_may_come) {
  accepts(headers(1, true) + kWindowUpdate1 + frame(kPriority, 0, 1, "12345") + rst(1));
  resets(headers(1, true) + data(1, "x"), ErrorCode::kStreamClosed);
  resets(headers(1, true) + headers(1, true), ErrorCode::kStreamClosed);
}

TEST_F(StreamsOfPods, after_the_pods_end_only_window_priority_and_reset_may_come) {
  const std::string whole = headers(1, true, response());
  accepts(whole + kWindowUpdate1 + frame(kPriority, 0, 1, "12345") + rst(1));
  resets(whole + data(1, "x"), ErrorCode::kStreamClosed);
  resets(whole + headers(1, true, trailers()), ErrorCode::kStreamClosed);
}

// closed.

TEST_F(StreamsOfClients,
       on_a_stream_that_has_ended_data_is_a_stream_error_and_headers_a_connection_error) {
  at_once = true;
  for (const std::string& over : {headers(1, true), headers(1) + rst(1)}) {
    accepts(over + kWindowUpdate1 + rst(1) + frame(kPriority, 0, 1, "12345"));
    resets(over + data(1, "x"), ErrorCode::kStreamClosed);
    fails(over + headers(1, true), ErrorCode::kStreamClosed);
  }
}

TEST_F(StreamsOfClients, data_on_a_stream_that_has_ended_is_answered_once) {
  answer_at_once();
  const auto said = after(headers(1, true) + data(1, "x") + data(1, "y") + data(1, "z"));
  EXPECT_EQ(about(1, said), (std::vector{kHeaders, kRstStream}));
}

TEST_F(StreamsOfClients, what_crossed_our_reset_is_discarded) {
  const std::string bad = frame(kWindowUpdate, 0, 1, number(0));
  const auto said =
      after(headers(1) + bad + data(1, "x") + kWindowUpdate1 + headers(1, true, trailers()));
  EXPECT_EQ(about(1, said), std::vector{kRstStream});
  EXPECT_FALSE(side->http2.failed()) << side->http2.detail();
}

TEST_F(StreamsOfClients, what_crossed_our_reset_still_counts_in_hpack_and_the_connections_window) {
  // The late trailers enter the dynamic table, and the next request refers to them.
  const std::string bad = frame(kWindowUpdate, 0, 1, number(0));
  const std::string insert =
      "\x40\x01"
      "a\x01"
      "b";
  side->hear(headers(1) + bad + frame(kHeaders, kFlagEndHeaders | kFlagEndStream, 1, insert));
  EXPECT_TRUE(side->hear(frame(kHeaders, kFlagEndHeaders | kFlagEndStream, 3, "\x83\x86\x84\xbe")))
      << side->http2.detail();
  EXPECT_EQ(side->owner.log.back(), "3 request :method=POST :scheme=http :path=/ a=b end");

  uint64_t credit = 0;
  const std::string kib(16'384, 'x');
  for (int i = 0; i < 200; ++i)
    for (const Frame& f : after(data(1, kib)))
      if (f.head.type == kWindowUpdate && f.head.stream == 0) credit += f.number();
  EXPECT_GT(credit, 2u << 20);
}

TEST_F(StreamsOfClients,
       above_the_final_goaways_id_still_count_in_hpack_and_the_connections_window) {
  side->http2.goaway(0, ErrorCode::kNoError);
  side->http2.refuse_new_streams();
  side->say();
  const std::string insert =
      "\x83\x86\x84\x40\x01"
      "a\x01"
      "b";
  const std::string kib(16'384, 'x');
  std::string all = frame(kHeaders, kFlagEndHeaders, 1, insert);
  for (int i = 0; i < 100; ++i) all += data(1, kib);
  all += frame(kHeaders, kFlagEndHeaders | kFlagEndStream, 1, "\xbe");
  all += frame(kHeaders, kFlagEndHeaders, 3, "\x83\x86\x84\xbe") + rst(3);
  EXPECT_TRUE(side->hear(all)) << side->http2.detail();
  uint64_t credit = 0;
  for (const Frame& f : frames(side->say())) {
    EXPECT_EQ(f.head.type, kWindowUpdate) << "nothing else is said";
    credit += f.number();
  }
  EXPECT_GT(credit, 1u << 20);
  EXPECT_TRUE(side->owner.streams.empty());
}

TEST_F(StreamsOfPods, on_a_stream_that_has_ended_the_pods_frames_are_stream_errors) {
  // The other calls on the pod's connection are not to suffer for it.
  side->http2.for_each_stream([&](Stream& s) { side->send(s, "", true); });
  side->say();
  after(headers(1, true, response()));
  ASSERT_EQ(side->streams.live(), 0u);
  ASSERT_NE(side->http2.open(request(), false, &side->owner), nullptr);
  side->say();
  const auto said = after(data(1, "x") + headers(1, true, trailers()));
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].head.type, kRstStream);
  EXPECT_EQ(said[0].head.stream, 1u);
  EXPECT_EQ(static_cast<ErrorCode>(said[0].number()), ErrorCode::kStreamClosed);
  EXPECT_EQ(side->http2.open_streams(), 1u);
}

TEST_F(StreamsOfPods, what_crossed_our_reset_is_discarded) {
  side->http2.for_each_stream([&](Stream& s) { side->http2.reset(s, ErrorCode::kCancel); });
  side->say();
  EXPECT_TRUE(after(headers(1, false, response()) + data(1, "x") + kWindowUpdate1 +
                    headers(1, true, trailers()) + rst(1))
                  .empty());
  EXPECT_FALSE(side->http2.failed()) << side->http2.detail();
}

TEST_F(StreamsOfClients, of_streams_long_over_only_that_their_ids_are_used_is_remembered) {
  answer_at_once();
  std::string many;
  for (uint32_t i = 0; i <= RecentIds::kSpan; ++i) many += headers(2 * i + 1, true);
  after(many);
  EXPECT_TRUE(after(data(1, "x") + headers(1, true, trailers())).empty());
  EXPECT_TRUE(side->hear(data(3, "x")));
  EXPECT_FALSE(side->hear(headers(5, true)));
  EXPECT_EQ(side->http2.error(), ErrorCode::kStreamClosed);
}

// ids (5.1.1).

TEST_F(StreamsOfClients, ids_grow_and_are_odd) {
  accepts(headers(1, true) + headers(7, true) + headers(2'147'483'647, true));
  fails(headers(2, true), ErrorCode::kProtocolError);
  fails(headers(7, true) + headers(5, true), ErrorCode::kProtocolError);
  fails(headers(2'147'483'647, true) + headers(2'147'483'645, true), ErrorCode::kProtocolError);
}

TEST_F(StreamsOfClients, a_request_below_any_number_of_ids_is_an_error) {
  for (const uint32_t first : {3u, 101u, 129u, 131u, 201u, 2'147'483'647u})
    fails(headers(first, true) + headers(1, true), ErrorCode::kProtocolError);
  at_once = true;
  std::string many;
  for (uint32_t i = 0; i <= RecentIds::kSpan; ++i) many += headers(2 * i + 1, true);
  fails(many + headers(1, true), ErrorCode::kProtocolError);
}

TEST_F(StreamsOfClients, frames_on_an_id_that_was_skipped_are_those_on_a_closed_stream) {
  accepts(headers(7, true) + frame(kWindowUpdate, 0, 5, number(1)) + rst(5));
  at_once = true;
  resets(headers(7, true) + data(5, "x"), ErrorCode::kStreamClosed);
}

TEST_F(StreamsOfClients, are_found_whatever_ids_are_chosen_and_in_whatever_order_they_end) {
  std::mt19937 random(7);
  Config c;
  c.max_concurrent_streams = 100;
  guards.resets.burst = guards.provoked_resets.burst = 1'000'000;
  restart(c);
  std::vector<uint32_t> open;
  uint32_t id = 1;
  uint64_t opened = 0;
  for (int i = 0; i < 20'000; ++i) {
    if (open.size() < 1 + random() % 100) {
      // Often ids that want the same cell of the table.
      id += 2 * (random() % 3 == 0 ? 16u << random() % 5 : 1 + random() % 4);
      ASSERT_TRUE(side->hear(headers(id))) << side->http2.detail();
      open.push_back(id);
      ++opened;
    } else {
      const size_t at = random() % open.size();
      ASSERT_TRUE(side->hear(data(open[at], "x", true)));
      ASSERT_TRUE(side->owner.streams[open[at]].ended) << open[at];
      ASSERT_TRUE(side->hear(rst(open[at])));
      ASSERT_TRUE(side->owner.streams[open[at]].reset) << open[at];
      open.erase(open.begin() + static_cast<ptrdiff_t>(at));
    }
    ASSERT_EQ(side->streams.live(), open.size());
    if (i % 100 == 0) side->say();
  }
  EXPECT_EQ(opened, side->stats.streams_opened.get());
}

TEST_F(StreamsOfClients, the_reserved_bit_of_an_id_is_ignored) {
  accepts(headers(1) + data(0x80000001, "x", true));
  EXPECT_EQ(side->owner.streams[1].body, "x");
}

TEST_F(StreamsOfClients, streams_over_the_limit_are_refused) {
  Config c;
  c.max_concurrent_streams = 2;
  restart(c);
  const auto said = after(headers(1) + headers(3) + headers(5));
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].head.stream, 5u);
  EXPECT_EQ(static_cast<ErrorCode>(said[0].number()), ErrorCode::kRefusedStream);
  after(rst(1));
  EXPECT_TRUE(after(headers(7)).empty());
}

TEST_F(StreamsOfPods, ids_end_at_their_highest_and_what_found_none_was_not_sent) {
  restart({.first_stream_id = kMaxStreamId - 4});
  // Stream 1 of the others is stream 2^31-5 here; two ids are left.
  side->http2.flush(0);
  for (int i = 0; i < 3; ++i)
    ASSERT_NE(side->http2.open(request(), true, &side->owner), nullptr) << "they wait for room";
  EXPECT_EQ(side->http2.stuck_stream(), nullptr);
  std::vector<uint32_t> begun;
  for (const Frame& f : frames(side->say())) begun.push_back(f.head.stream);
  EXPECT_EQ(begun, (std::vector{kMaxStreamId - 2, kMaxStreamId}));
  EXPECT_FALSE(side->http2.can_open());
  Stream* stuck = side->http2.stuck_stream();
  ASSERT_NE(stuck, nullptr);
  EXPECT_FALSE(stuck->head_sent());
  side->http2.reset(*stuck, ErrorCode::kCancel);
  EXPECT_EQ(side->say(), "");
  EXPECT_EQ(side->http2.stuck_stream(), nullptr);
}

}  // namespace
}  // namespace sluice::http2
