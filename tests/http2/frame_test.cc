// The form of each frame (RFC 9113, 4 and 6), from clients and from pods alike. Stream 1 is open in
// every test.

#include "raw.h"

namespace sluice::http2 {
namespace {

using enum FrameType;

struct Frames : RawPeer, testing::WithParamInterface<Role> {
  Frames() : RawPeer(GetParam()) { restart({}); }
  void begin() override {
    if (GetParam() == Role::kServer) {
      side->hear(headers(1));
    } else {
      side->http2.open(request(), false, &side->owner);
    }
    side->say();
  }
  // What the other side opens stream 1 with, or answers on it.
  static FieldList fields() { return GetParam() == Role::kServer ? request() : response(); }
  // HEADERS on a stream that may begin: a client's next, or the answer on a pod's.
  static uint32_t fresh() { return GetParam() == Role::kServer ? 3 : 1; }
  Stream& stream() {
    Stream* found = nullptr;
    side->http2.for_each_stream([&](Stream& s) { found = &s; });
    return *found;
  }
};

INSTANTIATE_TEST_SUITE_P(, Frames, testing::Values(Role::kServer, Role::kClient),
                         [](const auto& role) {
                           return role.param == Role::kServer ? "of_clients" : "of_pods";
                         });

TEST_P(Frames, larger_than_max_frame_size_are_frame_size_errors) {
  const std::string large(16'385, '\0');
  for (const FrameType type : {kData, kHeaders, kPriority, kRstStream, kSettings, kPing, kGoaway,
                               kWindowUpdate, kContinuation, static_cast<FrameType>(99)})
    fails(frame(type, 0, type == kSettings || type == kPing || type == kGoaway ? 0 : 1, large),
          ErrorCode::kFrameSizeError);
}

TEST_P(Frames, as_large_as_is_announced_are_accepted) {
  Config c;
  c.max_frame_size = 20'000;
  Side fresh(GetParam(), buffers, c);
  if (GetParam() == Role::kServer) fresh.hear(kHello);
  const std::string announced = setting(Setting::kMaxFrameSize, 20'000);
  EXPECT_NE(fresh.say().find(announced), std::string::npos);
  restart(c);
  EXPECT_TRUE(side->hear(frame(static_cast<FrameType>(99), 0, 0, std::string(20'000, 'x'))));
  EXPECT_FALSE(side->hear(frame(static_cast<FrameType>(99), 0, 0, std::string(20'001, 'x'))));
}

TEST_P(Frames, of_unknown_types_and_undefined_flags_are_ignored_anywhere_but_in_a_field_block) {
  const auto unknown = static_cast<FrameType>(99);
  accepts(frame(unknown, 0xff, 0, "x") + frame(unknown, 0, 1) + frame(unknown, 0, 9, "x") +
          frame(kPing, 0xfe, 0, "12345678") + frame(kWindowUpdate, 0xff, 1, number(1)));
  fails(frame(kHeaders, 0, fresh(), block(fields())) + frame(unknown, 0, 0),
        ErrorCode::kProtocolError);
}

TEST_P(Frames, that_belong_to_a_stream_are_protocol_errors_on_stream_0) {
  fails(data(0, "x"), ErrorCode::kProtocolError);
  fails(headers(0, true, fields()), ErrorCode::kProtocolError);
  fails(frame(kPriority, 0, 0, "12345"), ErrorCode::kProtocolError);
  fails(rst(0), ErrorCode::kProtocolError);
  fails(frame(kContinuation, kFlagEndHeaders, 0), ErrorCode::kProtocolError);
}

TEST_P(Frames, that_belong_to_the_connection_are_protocol_errors_on_a_stream) {
  fails(frame(kSettings, 0, 1), ErrorCode::kProtocolError);
  fails(frame(kSettings, kFlagAck, 1), ErrorCode::kProtocolError);
  fails(frame(kPing, 0, 1, "12345678"), ErrorCode::kProtocolError);
  fails(frame(kGoaway, 0, 1, "12345678"), ErrorCode::kProtocolError);
}

TEST_P(Frames, of_a_wrong_size_are_frame_size_errors) {
  fails(frame(kRstStream, 0, 1, "123"), ErrorCode::kFrameSizeError);
  fails(frame(kRstStream, 0, 1, "12345"), ErrorCode::kFrameSizeError);
  fails(frame(kSettings, 0, 0, "1234567"), ErrorCode::kFrameSizeError);
  fails(frame(kPing, 0, 0, "123456789"), ErrorCode::kFrameSizeError);
  fails(frame(kPing, kFlagAck, 0, ""), ErrorCode::kFrameSizeError);
  fails(frame(kGoaway, 0, 0, "1234567"), ErrorCode::kFrameSizeError);
  fails(frame(kWindowUpdate, 0, 0, "12345"), ErrorCode::kFrameSizeError);
  fails(frame(kWindowUpdate, 0, 1, "123"), ErrorCode::kFrameSizeError);
  fails(frame(kHeaders, kFlagEndHeaders | kFlagPriority, fresh(), "1234"),
        ErrorCode::kFrameSizeError);
  fails(frame(kHeaders, kFlagEndHeaders | kFlagPadded, fresh()), ErrorCode::kFrameSizeError);
}

// Padding, 6.1 and 6.2.

TEST_P(Frames, may_be_padded_up_to_their_whole_payload) {
  const std::string b = block(fields());
  accepts(frame(kHeaders, kFlagEndHeaders | kFlagPadded, fresh(), "\x03" + b + "\1\2\3") +
          frame(kData, kFlagPadded, fresh(),
                "\x04"
                "ab"
                "1234") +
          frame(kData, kFlagPadded | kFlagEndStream, fresh(), std::string("\2\0\0", 3)));
  EXPECT_EQ(side->owner.streams[fresh()].body, "ab");
  EXPECT_TRUE(side->owner.streams[fresh()].ended);
  accepts(frame(kHeaders, kFlagEndHeaders | kFlagPadded | kFlagPriority, fresh(),
                std::string("\2"
                            "\0\0\0\0\0",
                            6) +
                    b + "\1\2"));
}

TEST_P(Frames, with_more_padding_than_payload_are_protocol_errors) {
  const std::string b = block(fields());
  fails(frame(kHeaders, kFlagEndHeaders | kFlagPadded, fresh(),
              std::string(1, static_cast<char>(b.size() + 1)) + b),
        ErrorCode::kProtocolError);
  fails(frame(kHeaders, kFlagEndHeaders | kFlagPadded | kFlagPriority, fresh(),
              "\1"
              "12345"),
        ErrorCode::kProtocolError);
  const std::string begun = GetParam() == Role::kServer ? "" : headers(1, false, response());
  fails(begun + frame(kData, kFlagPadded, 1,
                      "\x04"
                      "123"),
        ErrorCode::kProtocolError);
}

// CONTINUATION, 4.3 and 6.10.

TEST_P(Frames, continue_a_field_block_in_any_number_of_pieces) {
  const std::string b = block(with(fields(), {{"x-name", "value"}}));
  std::string pieces =
      frame(kHeaders, kFlagEndStream, fresh(), b.substr(0, 1)) + frame(kContinuation, 0, fresh());
  for (size_t i = 1; i < 4; ++i) pieces += frame(kContinuation, 0, fresh(), b.substr(i, 1));
  accepts(pieces + frame(kContinuation, kFlagEndHeaders, fresh(), b.substr(4)));
  EXPECT_TRUE(side->owner.streams[fresh()].ended);
}

TEST_P(Frames, do_not_interrupt_a_field_block) {
  const std::string begun = frame(kHeaders, 0, fresh(), block(fields()));
  for (const std::string& other :
       {data(1, "x"), headers(fresh(), true, fields()), frame(kPriority, 0, 1, "12345"), rst(1),
        frame(kSettings, 0, 0), frame(kPing, 0, 0, "12345678"), frame(kGoaway, 0, 0, "12345678"),
        frame(kWindowUpdate, 0, 0, number(1)), frame(kContinuation, kFlagEndHeaders, 5)})
    fails(begun + other, ErrorCode::kProtocolError);
}

TEST_P(Frames, continue_nothing_that_has_ended) {
  fails(frame(kContinuation, kFlagEndHeaders, 1), ErrorCode::kProtocolError);
  fails(headers(fresh(), false, fields()) + frame(kContinuation, kFlagEndHeaders, fresh()),
        ErrorCode::kProtocolError);
}

TEST_P(Frames, whose_field_block_does_not_decode_end_the_connection) {
  fails(frame(kHeaders, kFlagEndHeaders, fresh(), "\xff\xff\xff\xff\xff\xff"),
        ErrorCode::kCompressionError);
  fails(frame(kHeaders, kFlagEndHeaders, fresh(), block(fields()) + "\xfe"),
        ErrorCode::kCompressionError);
  // On a stream that is over, too: the tables would differ from then on.
  fails(rst(1) + frame(kHeaders, kFlagEndHeaders, 1, "\xff\xff\xff\xff\xff\xff"),
        ErrorCode::kCompressionError);
}

// WINDOW_UPDATE, 6.9.

TEST_P(Frames, that_open_a_window_by_nothing_or_too_far_are_errors_of_stream_or_connection) {
  const std::string most = number(0x7fffffff);
  resets(frame(kWindowUpdate, 0, 1, number(0)), ErrorCode::kProtocolError);
  resets(frame(kWindowUpdate, 0, 1, most), ErrorCode::kFlowControlError);
  fails(frame(kWindowUpdate, 0, 0, number(0)), ErrorCode::kProtocolError);
  fails(frame(kWindowUpdate, 0, 0, most), ErrorCode::kFlowControlError);
  accepts(frame(kWindowUpdate, 0, 0, number(0x7fffffff - kDefaultWindow)) +
          frame(kWindowUpdate, 0, 1, number(0x80000001)));
}

TEST_P(Frames, beyond_a_window_are_errors_of_stream_or_connection) {
  Config c;
  c.connection_window = 100'000;
  restart(c);
  side->owner.data_hook = [](Stream&, buf::Slice, bool) {};  // takes nothing
  const std::string begun = GetParam() == Role::kServer ? "" : headers(1, false, response());
  const std::string kib(16'384, 'x');
  EXPECT_TRUE(side->hear(begun + data(1, kib) + data(1, kib) + data(1, kib) + data(1, kib)));
  EXPECT_TRUE(side->hear(data(1, "x")));
  const auto said = frames(side->say());
  EXPECT_EQ(said.back().head.type, kRstStream);
  EXPECT_EQ(static_cast<ErrorCode>(said.back().number()), ErrorCode::kFlowControlError);

  // The connection's window is given back on receipt, so only one frame alone can be too much.
  c.connection_window = kDefaultWindow;
  c.initial_stream_window = 1'000'000;
  c.max_frame_size = 100'000;
  restart(c);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(side->hear((i == 0 ? begun : "") + data(1, kib)));
  EXPECT_FALSE(side->hear(data(1, std::string(kDefaultWindow + 1, 'x'))));
  EXPECT_EQ(side->http2.error(), ErrorCode::kFlowControlError);
}

// PING, 6.7; GOAWAY, 6.8; RST_STREAM, 6.4.

TEST_P(Frames, of_ping_come_back_with_their_payload_and_their_acks_do_not) {
  const auto said = after(frame(kPing, 0, 0, "abcdefgh") + frame(kPing, kFlagAck, 0, "ijklmnop"));
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].head.type, kPing);
  EXPECT_EQ(said[0].head.flags, kFlagAck);
  EXPECT_EQ(said[0].payload, "abcdefgh");
}

TEST_P(Frames, of_goaway_are_told_with_any_code_and_open_streams_go_on) {
  accepts(frame(kGoaway, 0xff, 0, number(0x80000001) + number(0x7777) + "debug") +
          headers(fresh(), true, fields()));
  EXPECT_NE(std::find(side->owner.log.begin(), side->owner.log.end(), "goaway 1 UNKNOWN"),
            side->owner.log.end());
  EXPECT_EQ(side->owner.goaway_debug, "debug");
  EXPECT_TRUE(side->owner.streams[fresh()].ended);
}

TEST_P(Frames, of_reset_are_not_answered_and_nothing_more_is_said_on_the_stream) {
  Stream& s = stream();
  side->http2.flush(0);
  side->http2.send_headers(s, GetParam() == Role::kServer ? response() : trailers(), true);
  EXPECT_TRUE(after(rst(1, static_cast<ErrorCode>(0x7777))).empty());
  EXPECT_TRUE(side->owner.streams[1].reset);
  EXPECT_EQ(side->owner.streams[1].code, ErrorCode::kInternalError);
}

TEST_P(Frames, after_a_connection_error_are_only_a_goaway_that_names_the_last_stream) {
  stream();
  side->hear(frame(kPing, 0, 0, "12345678") + data(0, "x"));
  side->http2.send_headers(stream(), trailers(), true);
  side->http2.ping(1);
  const auto said = frames(side->say());
  const auto goaway =
      std::find_if(said.begin(), said.end(), [](const Frame& f) { return f.head.type == kGoaway; });
  ASSERT_NE(goaway, said.end());
  EXPECT_EQ(goaway->head.stream, 0u);
  EXPECT_EQ(goaway->number(), GetParam() == Role::kServer ? 1u : 0u);
  EXPECT_EQ(std::count_if(said.begin(), said.end(),
                          [](const Frame& f) { return f.head.type == kHeaders; }),
            0);
  EXPECT_FALSE(side->hear(frame(kPing, 0, 0, "12345678"))) << "hears no more";
}

// What we send.

TEST_P(Frames, of_ours_are_no_larger_than_16384_bytes_and_leave_unused_flags_unset) {
  after(frame(kSettings, 0, 0, setting(Setting::kMaxFrameSize, 0xffffff)) +
        frame(kSettings, 0, 0, setting(Setting::kInitialWindowSize, 1'000'000)));
  FieldList large = GetParam() == Role::kServer ? response() : trailers();
  for (int i = 0; i < 100; ++i) large.add("x-" + std::to_string(i), std::string(400, '\x7f'));
  if (GetParam() == Role::kServer) {
    side->http2.send_headers(stream(), large, false);
    side->send(stream(), std::string(60'000, 'x'), true);
  } else {
    side->send(stream(), std::string(60'000, 'x'), false);
    side->http2.send_headers(stream(), large, true);
  }
  const auto said = frames(side->say());
  size_t continuations = 0;
  for (size_t i = 0; i < said.size(); ++i) {
    const FrameHeader& h = said[i].head;
    EXPECT_LE(h.size, 16'384u);
    EXPECT_EQ(h.stream, 1u);
    if (h.type == kData) {
      EXPECT_EQ(h.flags & ~kFlagEndStream, 0);
    } else if (h.type == kHeaders) {
      EXPECT_EQ(h.flags & ~(kFlagEndStream | kFlagEndHeaders), 0);
      EXPECT_EQ(said[i + 1].head.type, kContinuation) << "a field block is not interrupted";
    } else {
      ASSERT_EQ(h.type, kContinuation);
      EXPECT_EQ(h.flags & ~kFlagEndHeaders, 0);
      ++continuations;
    }
  }
  EXPECT_GE(continuations, 2u);
}

TEST_P(Frames, of_ours_hold_what_one_stream_got_within_a_turn) {
  if (GetParam() == Role::kServer) {
    side->http2.send_headers(stream(), response(), false);
    side->say();
  }
  const uint64_t before = side->stats.frames_out.get();
  side->send(stream(), std::string(30'000, 'a'), false);
  auto said = frames(side->say());
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(side->stats.frames_out.get() - before, 2u);
  EXPECT_EQ(said[0].payload, std::string(11 * 1'400, 'a')) << "whole pieces, up to 16,384 bytes";
  EXPECT_EQ(said[1].payload, std::string(30'000 - 11 * 1'400, 'a'));
}

TEST_P(Frames, of_ours_do_not_grow_once_they_may_have_left) {
  if (GetParam() == Role::kServer) {
    side->http2.send_headers(stream(), response(), false);
    side->say();
  }
  side->send(stream(), std::string(1'000, 'a'), false);
  const auto first = frames(side->say());
  side->send(stream(), std::string(1'000, 'b'), false);
  const auto second = frames(side->say());
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].payload, std::string(1'000, 'a'));
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].payload, std::string(1'000, 'b'));
}

TEST_P(Frames, of_ours_are_not_joined_across_another_frame_and_end_with_their_last_piece) {
  if (GetParam() == Role::kServer) {
    side->http2.send_headers(stream(), response(), false);
    side->say();
  }
  side->send(stream(), std::string(1'000, 'a'), false);
  side->http2.ping(7);
  side->send(stream(), std::string(1'000, 'b'), false);
  side->send(stream(), "c", false);
  side->http2.send_data(stream(), {}, true);
  const auto said = frames(side->say());
  ASSERT_EQ(said.size(), 3u);
  EXPECT_EQ(said[0].payload, std::string(1'000, 'a'));
  EXPECT_EQ(said[0].head.flags, 0);
  EXPECT_EQ(said[1].head.type, kPing);
  EXPECT_EQ(said[2].payload, std::string(1'000, 'b') + "c") << "copied and referred to alike";
  EXPECT_EQ(said[2].head.flags, kFlagEndStream);
}

TEST_P(Frames, of_ours_that_only_end_a_stream_need_no_window) {
  after(frame(kSettings, 0, 0, setting(Setting::kInitialWindowSize, 10)));
  if (GetParam() == Role::kServer) side->http2.send_headers(stream(), response(), false);
  side->send(stream(), "0123456789", false);
  side->say();
  after(frame(kSettings, 0, 0, setting(Setting::kInitialWindowSize, 0)));
  side->http2.send_data(stream(), {}, true);
  const auto said = frames(side->say());
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].head.type, kData);
  EXPECT_EQ(said[0].head.flags, kFlagEndStream);
  EXPECT_EQ(said[0].head.size, 0u);
}

// Pods: what a client says first (3.4), and that push is switched off (8.4).

TEST(Prefaces, of_a_server_come_before_a_ping_that_is_early) {
  Buffers buffers{2047};
  Side server(Role::kServer, buffers);
  server.http2.ping(1);
  const auto all = frames(server.say());
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all[0].head.type, kSettings);
}

TEST(Prefaces, begin_with_settings_that_switch_push_off_and_are_acknowledged) {
  Buffers buffers{2047};
  Side client(Role::kClient, buffers);
  std::string said = client.say();
  ASSERT_TRUE(said.starts_with(kHello));
  const auto all = frames(said.substr(kHello.size()));
  EXPECT_EQ(all[0].head.type, kSettings);
  EXPECT_EQ(all[0].head.flags, 0);
  EXPECT_NE(all[0].payload.find(setting(Setting::kEnablePush, 0)), std::string::npos);

  Side server(Role::kServer, buffers);
  server.hear(hello());
  const auto answers = frames(server.say());
  EXPECT_EQ(answers[0].head.type, kSettings);
  EXPECT_EQ(answers[0].head.flags, 0) << "our own SETTINGS come before the ACK";
  EXPECT_EQ(answers[0].payload.find(setting(Setting::kEnablePush, 1)), std::string::npos);
  EXPECT_EQ(answers.back().head.flags, kFlagAck);
}

}  // namespace
}  // namespace sluice::http2
