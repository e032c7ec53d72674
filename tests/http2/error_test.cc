// Frames that a peer must not send, and what it hears for them.

#include "raw.h"

namespace sluice::http2 {
namespace {

using Raw = RawClient;
using enum FrameType;

TEST_F(Raw, connection_errors_name_their_code) {
  fails(frame(kData, 0, 0, "x"), ErrorCode::kProtocolError);
  fails(frame(kData, 0, 1, "x"), ErrorCode::kProtocolError);
  fails(frame(kHeaders, kFlagEndHeaders, 0, block(request())), ErrorCode::kProtocolError);
  fails(headers(2), ErrorCode::kProtocolError);
  fails(frame(kRstStream, 0, 1, number(8)), ErrorCode::kProtocolError);
  fails(headers(1) + frame(kRstStream, 0, 1, "abc"), ErrorCode::kFrameSizeError);
  fails(frame(kSettings, 0, 1), ErrorCode::kProtocolError);
  fails(frame(kSettings, 0, 0, "abcde"), ErrorCode::kFrameSizeError);
  fails(frame(kSettings, kFlagAck, 0, "abcdef"), ErrorCode::kFrameSizeError);
  fails(frame(kSettings, 0, 0, setting(Setting::kEnablePush, 2)), ErrorCode::kProtocolError);
  fails(frame(kSettings, 0, 0, setting(Setting::kMaxFrameSize, 16383)), ErrorCode::kProtocolError);
  fails(frame(kSettings, 0, 0, setting(Setting::kInitialWindowSize, 0x80000000)),
        ErrorCode::kFlowControlError);
  fails(frame(kPing, 0, 0, "1234567"), ErrorCode::kFrameSizeError);
  fails(frame(kPing, 0, 1, "12345678"), ErrorCode::kProtocolError);
  fails(frame(kGoaway, 0, 0, "1234567"), ErrorCode::kFrameSizeError);
  fails(frame(kGoaway, 0, 1, "12345678"), ErrorCode::kProtocolError);
  fails(frame(kPushPromise, kFlagEndHeaders, 1, "1234"), ErrorCode::kProtocolError);
  fails(frame(kWindowUpdate, 0, 0, number(0)), ErrorCode::kProtocolError);
  fails(frame(kWindowUpdate, 0, 0, "abc"), ErrorCode::kFrameSizeError);
  fails(frame(kWindowUpdate, 0, 1, number(1)), ErrorCode::kProtocolError);
  fails(frame(kWindowUpdate, 0, 0, number(0x7fffffff)), ErrorCode::kFlowControlError);
  fails(frame(kContinuation, kFlagEndHeaders, 1, "x"), ErrorCode::kProtocolError);
  fails(frame(kHeaders, 0, 1, block(request())) + frame(kPing, 0, 0, "12345678"),
        ErrorCode::kProtocolError);
  fails(frame(kHeaders, kFlagEndHeaders, 1, "\xff\xff\xff\xff\xff\xff"),
        ErrorCode::kCompressionError);
  fails(frame(kPriority, 0, 0, "12345"), ErrorCode::kProtocolError);
  fails(frame(kPing, 0, 0, std::string(16385, 'x')), ErrorCode::kFrameSizeError);
  fails(headers(1) + frame(kData, kFlagPadded, 1, "\x05xxxx"), ErrorCode::kProtocolError);
  fails(headers(1) + frame(kData, kFlagPadded, 1), ErrorCode::kFrameSizeError);
}

TEST_F(Raw, nothing_follows_the_goaway_of_an_error) {
  EXPECT_FALSE(side->hear(frame(kPing, 0, 1, "12345678")));
  side->http2.goaway(kMaxStreamId, ErrorCode::kNoError);  // its last id must not grow (6.8)
  side->http2.ping(1);
  const auto said = frames(side->say());
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(static_cast<ErrorCode>(said.back().number(4)), ErrorCode::kProtocolError);
}

TEST_F(Raw, stream_errors_name_their_code) {
  resets(headers(1) + frame(kWindowUpdate, 0, 1, number(0)), ErrorCode::kProtocolError);
  resets(headers(1) + frame(kWindowUpdate, 0, 1, number(0x7fffffff)), ErrorCode::kFlowControlError);
  resets(headers(1, true) + frame(kData, 0, 1, "x"), ErrorCode::kStreamClosed);
  resets(headers(1, true) + headers(1, true), ErrorCode::kStreamClosed);
  resets(headers(1) + headers(1), ErrorCode::kProtocolError);
  resets(headers(1) + frame(kPriority, 0, 1, "1234"), ErrorCode::kFrameSizeError);
  FieldList f = request();
  f.add(Name::kContentLength, "3");
  resets(headers(1, true, f), ErrorCode::kProtocolError);
  resets(headers(1, false, f) + frame(kData, 0, 1, "four"), ErrorCode::kProtocolError);
  resets(headers(1, false, f) + frame(kData, kFlagEndStream, 1, "ab"), ErrorCode::kProtocolError);
  resets(headers(1, false, f) + frame(kData, kFlagEndStream, 1), ErrorCode::kProtocolError);
  FieldList upper = request();
  upper.add("Upper", "x", Name::kOther);
  resets(headers(1, true, upper), ErrorCode::kProtocolError);
  FieldList hop = request();
  hop.add(Name::kConnection, "close");
  resets(headers(1, true, hop), ErrorCode::kProtocolError);
  resets(headers(1, true, trailers()), ErrorCode::kProtocolError);
}

TEST_F(Raw, a_wrong_preface_or_first_frame_is_a_protocol_error) {
  for (const std::string& preface :
       {std::string("\0", 1), std::string("hello"), std::string("GET /\r\n"),
        std::string("PRI * HTTP/2.0\r\n\r\nXX"), std::string("PRI * HTTP/3.0\r\n"),
        std::string("P") + std::string(9'000, 'A')}) {
    Side other(Role::kServer, buffers);
    EXPECT_FALSE(other.hear(preface)) << preface;
    EXPECT_EQ(other.http2.error(), ErrorCode::kProtocolError);
    const auto said = frames(other.say());
    ASSERT_FALSE(said.empty());
    EXPECT_EQ(said.front().head.type, kSettings);  // 3.4: whatever comes, they come first
    EXPECT_EQ(said.back().head.type, kGoaway);
  }
  Side second(Role::kServer, buffers);
  EXPECT_FALSE(second.hear(kHello + frame(kPing, 0, 0, "12345678")));
  EXPECT_EQ(second.http2.error(), ErrorCode::kProtocolError);
}

// RFC 9110, 15.6.6.
TEST_F(Raw, a_request_of_http1_is_answered_with_505_and_not_a_byte_of_http2) {
  for (const std::string& request :
       {std::string("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), std::string("POST /a HTTP/1.0\r\n\r\n"),
        std::string("PRIX / HTTP/1.1\n"), "GET /" + std::string(8'000, 'a') + " HTTP/1.1\r\n"})
    for (const size_t chunk : {size_t{1400}, size_t{1}}) {
      Side other(Role::kServer, buffers);
      EXPECT_EQ(other.say(), "");
      EXPECT_FALSE(other.hear(request, chunk)) << request;
      EXPECT_EQ(other.stats.http1_requests.get(), 1u);
      const std::string said = other.say();
      EXPECT_TRUE(said.starts_with("HTTP/1.1 505 ")) << said;
      EXPECT_TRUE(said.ends_with("HTTP/2 without TLS (h2c, by prior knowledge).\n")) << said;
      EXPECT_NE(said.find("\r\ncontent-length: 63\r\nconnection: close\r\n\r\n"),
                std::string::npos);
    }
  Side other(Role::kServer, buffers);
  EXPECT_FALSE(other.hear("HEAD / HTTP/1.1\r\n\r\n"));
  EXPECT_TRUE(other.say().ends_with("\r\n\r\n"));
}

// RFC 8446, 6.2: a fatal alert of type protocol_version.
TEST_F(Raw, a_client_hello_of_tls_is_answered_with_an_alert) {
  Side other(Role::kServer, buffers);
  EXPECT_FALSE(other.hear(std::string("\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", 11)));
  EXPECT_EQ(other.say(), std::string("\x15\x03\x01\0\x02\x02\x46", 7));
  EXPECT_EQ(other.stats.tls_hellos.get(), 1u);
}

TEST_F(Raw, data_beyond_a_window_is_a_flow_control_error) {
  Config c;
  c.initial_stream_window = 20'000;
  restart(c);
  side->owner.data_hook = [](Stream&, buf::Slice, bool) {};  // consumes nothing
  const std::string kib(16'384, 'x');
  side->hear(frame(kSettings, kFlagAck, 0));
  const auto said = after(headers(1) + frame(kData, 0, 1, kib) + frame(kData, 0, 1, kib));
  ASSERT_FALSE(said.empty());
  EXPECT_EQ(said.back().head.type, kRstStream);
  EXPECT_EQ(static_cast<ErrorCode>(said.back().number()), ErrorCode::kFlowControlError);
}

TEST_F(Raw, before_its_ack_a_client_may_use_the_default_window) {
  Config c;
  c.initial_stream_window = 20'000;
  restart(c);
  side->owner.data_hook = [](Stream&, buf::Slice, bool) {};
  const std::string kib(16'384, 'x');
  after(headers(1) + frame(kData, 0, 1, kib) + frame(kData, kFlagEndStream, 1, kib));
  EXPECT_EQ(side->owner.streams[1].body.size(), 2 * kib.size());
  EXPECT_FALSE(side->owner.streams[1].reset);
}

TEST_F(Raw, padding_is_given_back_to_the_streams_window) {
  guards.empty_data.burst = 0;
  after(headers(1) + frame(kSettings, kFlagAck, 0));
  const std::string padded = frame(kData, kFlagPadded, 1, '\xff' + std::string(255, 0));
  uint64_t credit = 0;
  for (int i = 0; i < 1000; ++i)
    for (const Frame& f : after(padded + frame(kData, 0, 1, "x")))
      if (f.head.type == kWindowUpdate && f.head.stream == 1) credit += f.number();
  EXPECT_FALSE(side->owner.streams[1].reset);
  EXPECT_GT(credit, 200'000u);
}

TEST_F(Raw, a_smaller_initial_window_makes_windows_negative_and_a_larger_one_lets_data_go) {
  side->owner.headers_hook = [&](Stream& s, Handler::Section, bool) {
    side->http2.send_headers(s, response(), false);
    side->send(s, std::string(100'000, 'x'), true);
  };
  const auto bytes = [](const std::vector<Frame>& said) {
    size_t n = 0;
    for (const Frame& f : said)
      if (f.head.type == kData) n += f.head.size;
    return n;
  };
  EXPECT_EQ(bytes(after(headers(1, true))), kDefaultWindow);
  const auto window = [&](uint32_t n) {
    return frame(kSettings, 0, 0, setting(Setting::kInitialWindowSize, n));
  };
  const std::string more = frame(kWindowUpdate, 0, 0, number(1'000'000));
  EXPECT_EQ(bytes(after(window(1000) + more)), 0u);
  EXPECT_EQ(bytes(after(frame(kWindowUpdate, 0, 1, number(64'535)))), 0u);
  EXPECT_EQ(bytes(after(frame(kWindowUpdate, 0, 1, number(10)))), 10u);
  EXPECT_EQ(bytes(after(window(200'000))), 100'000u - kDefaultWindow - 10);
  EXPECT_TRUE(side->owner.streams[1].closed);
}

TEST_F(Raw, a_stream_blocked_by_the_connection_goes_on_whatever_order_the_updates_have) {
  side->owner.headers_hook = [&](Stream& s, Handler::Section, bool) {
    side->http2.send_headers(s, response(), false);
    side->send(s, std::string(70'000, 'x'), true);
  };
  after(headers(1, true) + headers(3, true));
  const std::string own =
      frame(kWindowUpdate, 0, 1, number(100'000)) + frame(kWindowUpdate, 0, 3, number(100'000));
  EXPECT_TRUE(after(own).empty());
  after(frame(kWindowUpdate, 0, 0, number(200'000)));
  EXPECT_TRUE(side->owner.streams[1].closed);
  EXPECT_TRUE(side->owner.streams[3].closed);
}

TEST_F(Raw, rapid_resets_end_the_connection) {
  std::string flood;
  for (uint32_t i = 0; i <= guards.resets.burst; ++i)
    flood += headers(2 * i + 1) + frame(kRstStream, 0, 2 * i + 1, number(8));
  fails(flood, ErrorCode::kEnhanceYourCalm);
  EXPECT_EQ(side->stats.guard_rapid_reset.get(), 1u);
}

TEST_F(Raw, errors_that_make_the_server_reset_count_as_resets) {
  guards.window_updates.burst = 0;
  std::string flood;
  for (uint32_t i = 0; i <= guards.provoked_resets.burst; ++i)
    flood += headers(2 * i + 1) + frame(kWindowUpdate, 0, 2 * i + 1, number(0));
  fails(flood, ErrorCode::kEnhanceYourCalm);
  EXPECT_EQ(side->stats.guard_provoked_reset.get(), 1u);
}

TEST_F(Raw, endless_continuations_end_the_connection) {
  std::string flood = frame(kHeaders, 0, 1);
  for (uint32_t i = 0; i <= guards.continuations; ++i) flood += frame(kContinuation, 0, 1);
  fails(flood, ErrorCode::kEnhanceYourCalm);
  EXPECT_EQ(side->stats.guard_continuation.get(), 1u);
}

TEST_F(Raw, empty_data_without_end_ends_the_connection_padded_or_not) {
  for (const std::string& empty :
       {frame(kData, 0, 1), frame(kData, kFlagPadded, 1, std::string(1, '\0'))}) {
    std::string flood = headers(1);
    for (uint32_t i = 0; i <= guards.empty_data.burst; ++i) flood += empty;
    fails(flood, ErrorCode::kEnhanceYourCalm);
    EXPECT_EQ(side->stats.guard_empty_data.get(), 1u);
  }
}

TEST_F(Raw, pings_whose_answers_pile_up_end_the_connection) {
  guards.pings.burst = 0;
  std::string flood;
  for (uint32_t n = 0; n <= guards.unread_answers; n += 17) flood += frame(kPing, 0, 0, "12345678");
  fails(flood, ErrorCode::kEnhanceYourCalm);
  EXPECT_EQ(side->stats.guard_unread_answers.get(), 1u);
}

TEST_F(Raw, pings_are_harmless_on_a_busy_connection_that_reads) {
  guards.pings.burst = 0;
  // The output never runs dry, but what was in it leaves.
  for (int i = 0; i < 20'000; ++i) {
    ASSERT_TRUE(side->hear(frame(kPing, 0, 0, "12345678"))) << i;
    if (side->output.size() > 10'000) side->output.trim_to(side->output.end() - 100);
  }
}

TEST_F(Raw, late_frames_for_streams_that_are_gone_end_nothing) {
  after(headers(1) + frame(kRstStream, 0, 1, number(8)));
  EXPECT_TRUE(side->hear(
      frame(kData, kFlagEndStream, 1, "late") + frame(kWindowUpdate, 0, 1, number(1)) +
      frame(kRstStream, 0, 1, number(8)) + frame(static_cast<FrameType>(99), 0, 7, "?")));
}

TEST_F(Raw, without_buffers_the_connection_fails_and_does_not_spin) {
  side->owner.headers_hook = [&](Stream& s, Handler::Section, bool) {
    side->http2.flush(0);
    side->http2.send_headers(s, response(), false);
    side->send(s, std::string(2000, 'x'), true);
  };
  side->hear(headers(1, true));
  std::vector<buf::Slice> all;
  while (buf::Slice s = buffers.hold.alloc()) all.push_back(std::move(s));
  side->say();
  for (int i = 0; i < 300; ++i) side->http2.flush(1 << 20);
  SUCCEED();
}

}  // namespace
}  // namespace sluice::http2
