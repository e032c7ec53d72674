// Guards toward a pod, whose connection carries the calls of many clients: they act on the stream,
// and RST_STREAM leaves only as the pod bears it.

#include <functional>

#include "raw.h"

namespace sluice::http2 {
namespace {

using enum FrameType;
using S = stats::Http2;

struct PodGuards : RawPod {};

// Pieces of streams 1 and 3, whose calls two clients have chosen; the connection is everybody's.
struct SmallPieces : PodGuards {
  // Returns how many of stream 1 pass before that is reset; stream 3 has a few in between.
  int pieces(const std::function<std::string(uint32_t)>& piece, stats::Counter S::*counter,
             const char* guard) {
    guards.empty_data = guards.tiny_data = guards.padding = {20, 5};
    restart(side->config);
    EXPECT_NE(side->http2.open(request(), false, &side->owner), nullptr);
    side->say();
    EXPECT_TRUE(side->hear(headers(1, false, response()) + headers(3, false, response())));
    int n = 0;
    for (; n < 100 && !side->owner.streams[1].reset; ++n) {
      EXPECT_TRUE(side->hear(piece(1))) << side->http2.detail();
      if (n % 5 == 0) {
        EXPECT_TRUE(side->hear(piece(3))) << side->http2.detail();
      }
    }
    EXPECT_EQ(side->owner.streams[1].code, ErrorCode::kEnhanceYourCalm);
    EXPECT_FALSE(side->owner.streams[3].reset);
    EXPECT_EQ((side->stats.*counter).get(), 1u);
    EXPECT_EQ(side->owner.guards, std::vector<std::string>{guard});
    // What is under way yet, however long, is no matter.
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(side->hear(piece(1))) << side->http2.detail();
    EXPECT_FALSE(side->http2.failed()) << side->http2.detail();
    return n;
  }
};

TEST_F(SmallPieces, end_their_stream_and_no_others) {
  const auto empty = [](uint32_t id) { return frame(kData, 0, id); };
  const auto tiny = [](uint32_t id) { return data(id, "four"); };
  const auto padded = [](uint32_t id) {
    return frame(kData, kFlagPadded, id, "\x09h" + std::string(9, '\0'));
  };
  EXPECT_EQ(pieces(empty, &S::guard_empty_data, "empty_data"), 21);
  EXPECT_GE(pieces(tiny, &S::guard_tiny_data, "tiny_data"), 21);
  EXPECT_GE(pieces(padded, &S::guard_padding, "padding"), 21);
}

TEST_F(SmallPieces, are_no_matter_at_the_pace_of_somebody_who_reads) {
  guards.tiny_data = {20, 5};
  restart(side->config);
  EXPECT_TRUE(side->hear(headers(1, false, response())));
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_TRUE(side->hear(data(1, "a")));
    ASSERT_FALSE(side->owner.streams[1].reset) << i;
    side->now += 200ms;
  }
}

TEST_F(PodGuards, a_window_that_is_given_back_by_the_byte_is_no_flood) {
  guards.window_updates = {20, 5};
  restart(side->config);
  for (int round = 0; round < 10; ++round) {
    side->http2.for_each_stream([&](Stream& s) { side->send(s, std::string(1'000, 'x'), false); });
    side->say();
    for (int i = 0; i < 1'000; ++i)
      ASSERT_TRUE(
          side->hear(frame(kWindowUpdate, 0, 0, number(1)) + frame(kWindowUpdate, 0, 1, number(1))))
          << side->http2.detail();
  }
  int n = 0;
  while (n < 1'000 && side->hear(frame(kWindowUpdate, 0, 0, number(1)))) ++n;
  EXPECT_LT(n, 1'000) << "what opens it further is";
  EXPECT_STREQ(side->http2.guard(), "window_update");
}

// RFC 7541, 6.2.2 and 5: a field that enters no table.
std::string literal(std::string_view name, std::string_view value) {
  const auto string = [](std::string_view s) {
    if (s.size() < 127) return static_cast<char>(s.size()) + std::string(s);
    std::string out(1, '\x7f');
    size_t n = s.size() - 127;
    for (; n >= 128; n /= 128) out += static_cast<char>(n % 128 + 128);
    return out + static_cast<char>(n) + std::string(s);
  };
  return std::string(1, '\0') + string(name) + string(value);
}
// The same, which enters it.
std::string indexed_literal(std::string_view name, std::string_view value) {
  return '\x40' + literal(name, value).substr(1);
}

// A section of so many bytes that ends its stream, in frames of 16 KB.
std::string large_section(uint32_t id, size_t bytes, std::string_view first,
                          std::string_view last) {
  std::string block(first);
  for (int i = 0; block.size() < bytes; ++i)
    block += literal("x-" + std::to_string(i), std::string(200, 'v'));
  block += last;
  std::string out;
  for (size_t at = 0; at < block.size(); at += 16'384) {
    const bool whole = at + 16'384 >= block.size();
    out +=
        frame(at == 0 ? kHeaders : kContinuation,
              static_cast<uint8_t>((at == 0 ? kFlagEndStream : 0) | (whole ? kFlagEndHeaders : 0)),
              id, std::string_view(block).substr(at, 16'384));
  }
  return out;
}

TEST_F(PodGuards, a_section_far_too_large_costs_its_stream_and_leaves_hpack_as_it_was) {
  restart(side->config);
  ASSERT_NE(side->http2.open(request(), true, &side->owner), nullptr);
  side->say();
  // A field for the table; trailers that are too large, at whose end is another one; both by their
  // indexes.
  const std::string kept = indexed_literal("kept", "yes"), late = indexed_literal("late", "too");
  ASSERT_TRUE(side->hear(frame(kHeaders, kFlagEndHeaders, 1, "\x88" + kept)));
  ASSERT_TRUE(side->hear(large_section(1, 70'000, "", late)));
  EXPECT_EQ(side->owner.streams[1].code, ErrorCode::kEnhanceYourCalm);
  ASSERT_TRUE(side->hear(frame(kHeaders, kFlagEndHeaders | kFlagEndStream, 3, "\x88\xbe\xbf")));
  std::string fields;
  for (const Field f : side->owner.streams[3].headers) fields += text(f.name, f.value) + " ";
  EXPECT_EQ(fields, ":status=200 late=too kept=yes ");
  EXPECT_EQ(side->owner.log.back(), "3 closed");
  EXPECT_EQ(side->stats.guard_field_block.get(), 1u);
  EXPECT_EQ(side->stats.header_list_too_big.get(), 1u);

  // By many frames, and much more.
  restart(side->config);
  ASSERT_NE(side->http2.open(request(), true, &side->owner), nullptr);
  side->say();
  ASSERT_TRUE(side->hear(large_section(1, 900'000, "\x88", ""))) << side->http2.detail();
  ASSERT_TRUE(side->hear(frame(kHeaders, kFlagEndHeaders | kFlagEndStream, 3, "\x88")));
  EXPECT_EQ(side->stats.guard_continuation.get() + side->stats.guard_field_block.get(), 1u);
}

TEST_F(PodGuards, a_section_without_end_ends_the_connection) {
  for (const bool small_frames : {false, true}) {
    restart(side->config);
    ASSERT_TRUE(side->hear(frame(kHeaders, 0, 1, "\x88")));
    const std::string more =
        frame(kContinuation, 0, 1, literal("a", std::string(small_frames ? 1 : 16'000, 'b')));
    int n = 0;
    while (n < 10'000 && side->hear(more)) ++n;
    EXPECT_LT(n, 200);
    EXPECT_STREQ(side->http2.guard(), small_frames ? "continuation" : "field_block");
    EXPECT_EQ(side->http2.error(), ErrorCode::kEnhanceYourCalm);
  }
}

// --- RST_STREAM toward a pod that has had enough of them ---

struct PodsWaitingResets : PodGuards {
  PodsWaitingResets() { restart(side->config); }
  std::vector<uint32_t> resets_said() {
    std::vector<uint32_t> ids;
    for (const Frame& f : frames(side->say()))
      if (f.head.type == kRstStream) ids.push_back(f.head.stream);
    return ids;
  }
  Stream& open(bool end) {
    Stream* s = side->http2.open(request(), end, &side->owner);
    EXPECT_NE(s, nullptr);
    side->say();
    return *s;
  }
};

TEST_F(PodsWaitingResets, leave_when_they_may_in_their_order) {
  side->owner.resets_left = 1;
  std::vector<Stream*> streams;
  for (int i = 0; i < 3; ++i) streams.push_back(&open(true));
  for (Stream* s : streams) side->http2.reset(*s, ErrorCode::kCancel);
  EXPECT_EQ(resets_said(), std::vector<uint32_t>{3});
  EXPECT_EQ(side->http2.resets_waiting(), 2u);
  EXPECT_EQ(side->stats.resets_put_off.get(), 2u);
  // What comes for their streams is discarded, and is no error.
  EXPECT_TRUE(side->hear(headers(5, false, response()) + data(5, "x") + data(7, "y")));
  side->owner.resets_left = 1;
  side->http2.release_resets();
  EXPECT_EQ(resets_said(), std::vector<uint32_t>{5});
  side->owner.resets_left = 5;
  side->http2.release_resets();
  EXPECT_EQ(resets_said(), std::vector<uint32_t>{7});
  EXPECT_EQ(side->http2.resets_waiting(), 0u);
}

TEST_F(PodsWaitingResets, count_in_the_pods_limit_of_streams_until_they_have_left) {
  side->hear(frame(kSettings, 0, 0, setting(Setting::kMaxConcurrentStreams, 2)));
  side->owner.resets_left = 0;
  side->http2.reset(open(true), ErrorCode::kCancel);
  EXPECT_FALSE(side->http2.can_open());
  side->owner.resets_left = 1;
  side->http2.release_resets();
  EXPECT_TRUE(side->http2.can_open());
}

TEST_F(PodsWaitingResets, are_not_needed_where_the_pod_has_ended_the_stream) {
  side->owner.resets_left = 0;
  for (int i = 0; i < 3; ++i) side->http2.reset(open(i != 1), ErrorCode::kCancel);
  EXPECT_TRUE(side->hear(headers(3, true, response()) + headers(5, true, response())));
  EXPECT_EQ(side->http2.resets_waiting(), 2u) << "the request on 5 has not ended";
  EXPECT_TRUE(side->hear(rst(5) + rst(7)));
  EXPECT_EQ(side->http2.resets_waiting(), 0u);
}

TEST_F(PodsWaitingResets, are_those_of_errors_as_well) {
  side->owner.resets_left = 0;
  open(true);
  EXPECT_TRUE(side->hear(data(3, "before its HEADERS")));
  EXPECT_TRUE(side->owner.streams[3].reset);
  EXPECT_EQ(side->http2.resets_waiting(), 1u);
  EXPECT_TRUE(resets_said().empty());
}

}  // namespace
}  // namespace sluice::http2
