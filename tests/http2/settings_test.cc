// SETTINGS (RFC 9113, 6.5) and PRIORITY, in the old and the new way (6.3; RFC 9218, 7.1).

#include "raw.h"

namespace sluice::http2 {
namespace {

using enum FrameType;

struct SettingsOfClients : RawClient {};
struct SettingsOfPods : RawPod {
  // Another stream; its id, or 0 if there may be none.
  uint32_t open() {
    Stream* s = side->http2.open(request(), true, &side->owner);
    side->say();
    return s == nullptr ? 0 : s->id();
  }
};

std::string settings(const std::string& values) {
  return frame(kSettings, 0, 0, values);
}
std::string initial_window(uint32_t n) {
  return setting(Setting::kInitialWindowSize, n);
}
std::string no_rfc7540_priorities(uint32_t n) {
  return setting(Setting::kNoRfc7540Priorities, n);
}

TEST_F(SettingsOfClients, settings_are_acknowledged_in_order_and_acks_are_not) {
  const auto said = after(settings("") + settings(initial_window(1)) + kSettingsAck);
  ASSERT_EQ(said.size(), 2u);
  for (const Frame& f : said) {
    EXPECT_EQ(f.head.type, kSettings);
    EXPECT_EQ(f.head.flags, kFlagAck);
    EXPECT_EQ(f.head.size, 0u);
  }
}

TEST_F(SettingsOfClients, an_ack_that_nothing_is_owed_is_ignored) {
  accepts(kSettingsAck + kSettingsAck + kSettingsAck + headers(1));
}

TEST_F(SettingsOfPods, an_ack_that_nothing_is_owed_is_ignored) {
  accepts(kSettingsAck + kSettingsAck + kSettingsAck);
}

TEST_F(SettingsOfClients, an_ack_with_payload_is_a_frame_size_error) {
  fails(frame(kSettings, kFlagAck, 0, initial_window(1)), ErrorCode::kFrameSizeError);
}

TEST_F(SettingsOfClients, an_ack_is_no_first_frame) {
  Side fresh(Role::kServer, buffers);
  EXPECT_FALSE(fresh.hear(kHello + kSettingsAck));
  EXPECT_EQ(fresh.http2.error(), ErrorCode::kProtocolError);
}

TEST_F(SettingsOfPods, an_ack_is_no_first_frame) {
  Side fresh(Role::kClient, buffers);
  EXPECT_FALSE(fresh.hear(kSettingsAck));
  EXPECT_EQ(fresh.http2.error(), ErrorCode::kProtocolError);
}

TEST_F(SettingsOfClients, unknown_settings_and_undefined_flags_are_ignored) {
  accepts(
      frame(kSettings, 0xfe, 0,
            std::string("\x7f\x7f", 2) + number(0xffffffff) + std::string("\0\0", 2) + number(7)));
}

TEST_F(SettingsOfClients, values_out_of_range_are_errors) {
  for (const uint32_t bad : {0u, 16'383u, 0x1000000u, 0xffffffffu})
    fails(settings(setting(Setting::kMaxFrameSize, bad)), ErrorCode::kProtocolError);
  for (const uint32_t good : {16'384u, 0xffffffu})
    accepts(settings(setting(Setting::kMaxFrameSize, good)));
  for (const uint32_t bad : {0x80000000u, 0xffffffffu})
    fails(settings(initial_window(bad)), ErrorCode::kFlowControlError);
  accepts(settings(initial_window(0x7fffffff)));
  for (const uint32_t bad : {2u, 0xffffffffu}) {
    fails(settings(setting(Setting::kEnablePush, bad)), ErrorCode::kProtocolError);
    fails(settings(setting(Setting::kEnableConnectProtocol, bad)), ErrorCode::kProtocolError);
    fails(settings(no_rfc7540_priorities(bad)), ErrorCode::kProtocolError);
  }
  for (const uint32_t good : {0u, 1u})
    accepts(settings(setting(Setting::kEnablePush, good) + no_rfc7540_priorities(good)));
  for (const uint32_t any : {0u, 1u, 0xffffffffu})
    accepts(settings(setting(Setting::kHeaderTableSize, any) +
                     setting(Setting::kMaxConcurrentStreams, any) +
                     setting(Setting::kMaxHeaderListSize, any)));
}

TEST_F(SettingsOfPods, a_pod_cannot_switch_push_on) {
  accepts(settings(setting(Setting::kEnablePush, 0)));
  fails(settings(setting(Setting::kEnablePush, 1)), ErrorCode::kProtocolError);
}

TEST_F(SettingsOfPods, a_push_is_a_protocol_error) {
  fails(frame(kPushPromise, kFlagEndHeaders, 1, number(2) + block(request())),
        ErrorCode::kProtocolError);
}

TEST_F(SettingsOfPods, extended_connect_is_not_taken_back) {
  const std::string on = setting(Setting::kEnableConnectProtocol, 1);
  accepts(settings(on) + settings(on));
  fails(settings(on) + settings(setting(Setting::kEnableConnectProtocol, 0)),
        ErrorCode::kProtocolError);
}

TEST_F(SettingsOfPods, max_concurrent_streams_may_fall_below_what_is_open_and_rise_again) {
  EXPECT_EQ(open(), 3u);
  EXPECT_EQ(open(), 5u);
  after(settings(setting(Setting::kMaxConcurrentStreams, 1)));
  EXPECT_EQ(side->http2.open_streams(), 3u) << "open streams stay";
  EXPECT_EQ(open(), 0u);
  after(headers(3, true, response()) + headers(5, true, response()));
  EXPECT_EQ(side->http2.open_streams(), 1u);
  EXPECT_EQ(open(), 0u) << "one is open, one may be";
  after(settings(setting(Setting::kMaxConcurrentStreams, 2)));
  EXPECT_EQ(open(), 7u);
  after(settings(setting(Setting::kMaxConcurrentStreams, 0)));
  EXPECT_EQ(open(), 0u);
}

TEST_F(SettingsOfPods, a_limit_of_streams_that_falls_holds_requests_that_wait_for_room) {
  const auto begun = [&](const std::vector<Frame>& said) {
    std::vector<uint32_t> ids;
    for (const Frame& f : said)
      if (f.head.type == kHeaders) ids.push_back(f.head.stream);
    return ids;
  };
  side->http2.flush(0);
  for (int i = 0; i < 4; ++i) side->http2.open(request(), true, &side->owner);
  side->hear(settings(setting(Setting::kMaxConcurrentStreams, 2)));
  EXPECT_EQ(begun(frames(side->say())), std::vector{3u}) << "stream 1 is the other one";
  EXPECT_EQ(begun(after(headers(3, true, response()))), std::vector{5u});
  EXPECT_EQ(begun(after(settings(setting(Setting::kMaxConcurrentStreams, 9)))),
            (std::vector{7u, 9u}));
}

TEST_F(SettingsOfPods, until_they_come_a_hundred_streams_are_assumed_to_be_allowed) {
  Side client(Role::kClient, buffers);
  for (int i = 0; i < 100; ++i)
    ASSERT_NE(client.http2.open(request(), true, &client.owner), nullptr) << i;
  EXPECT_EQ(client.http2.open(request(), true, &client.owner), nullptr);
  EXPECT_TRUE(client.hear(settings(setting(Setting::kMaxConcurrentStreams, 101))));
  EXPECT_TRUE(client.http2.can_open());
}

TEST_F(SettingsOfPods, only_the_first_settings_without_a_limit_of_streams_mean_that_there_is_none) {
  EXPECT_EQ(side->http2.peer_max_concurrent_streams(), UINT32_MAX);
  after(settings(setting(Setting::kMaxConcurrentStreams, 7)) + settings(""));
  EXPECT_EQ(side->http2.peer_max_concurrent_streams(), 7u);
}

TEST_F(SettingsOfPods, of_several_initial_windows_in_one_frame_the_last_counts) {
  const auto sent = [&](const std::string& bytes) {
    size_t n = 0;
    for (const Frame& f : after(bytes))
      if (f.head.type == kData) n += f.head.size;
    return n;
  };
  side->http2.for_each_stream([&](Stream& s) { side->send(s, std::string(70'000, 'x'), true); });
  EXPECT_EQ(sent(frame(kWindowUpdate, 0, 0, number(100'000))), kDefaultWindow);
  EXPECT_EQ(sent(settings(initial_window(0) + initial_window(0x7fffffff) +
                          initial_window(kDefaultWindow + 1))),
            1u);
  EXPECT_EQ(sent(settings(initial_window(80'000))), 70'000u - kDefaultWindow - 1);
}

TEST_F(SettingsOfClients, an_initial_window_that_overflows_a_streams_window_ends_the_connection) {
  const std::string wide = frame(kWindowUpdate, 0, 1, number(0x7fffffff - kDefaultWindow));
  accepts(headers(1) + wide);
  fails(headers(1) + wide + settings(initial_window(kDefaultWindow + 1)),
        ErrorCode::kFlowControlError);
}

// PRIORITY is deprecated and ignored, but has a size.

TEST_F(SettingsOfClients, priority_is_ignored_on_streams_of_any_state) {
  accepts(frame(kPriority, 0, 1, "12345") + headers(1) + frame(kPriority, 0, 1, "12345") + rst(1) +
          frame(kPriority, 0, 1, "12345") + frame(kPriority, 0, 8, "12345"));
  const std::string on_another = number(3) + "\x10";
  accepts(frame(kHeaders, kFlagEndHeaders | kFlagPriority, 1, on_another + block(request())) +
          frame(kPriority, 0, 1, on_another));
}

// RFC 7540, 5.3.1. With or without the bit of an exclusive dependency.
TEST_F(SettingsOfClients, a_stream_that_depends_on_itself_is_an_error_of_its_own) {
  for (const uint32_t exclusive : {0u, 0x80000000u}) {
    const std::string on_itself = number(1 | exclusive) + "\x10";
    const std::string begin =
        frame(kHeaders, kFlagEndHeaders | kFlagPriority, 1, on_itself + block(request()));
    resets(begin, ErrorCode::kProtocolError);
    resets(frame(kHeaders, kFlagPriority, 1, on_itself) +
               frame(kContinuation, kFlagEndHeaders, 1, block(request())),
           ErrorCode::kProtocolError);
    resets(headers(1) + frame(kHeaders, kFlagEndHeaders | kFlagEndStream | kFlagPriority, 1,
                              on_itself + block(list({{"x", "y"}}))),
           ErrorCode::kProtocolError);
    resets(headers(1) + frame(kPriority, 0, 1, on_itself), ErrorCode::kProtocolError);
    // RST_STREAM must not be sent on an idle stream (6.4).
    fails(frame(kPriority, 0, 1, on_itself), ErrorCode::kProtocolError);
  }
}

TEST_F(SettingsOfClients, the_fields_of_a_stream_that_depends_on_itself_still_count_in_hpack) {
  // The second request names what the first one put into the table.
  const std::string first = number(1) + "\x10" + block(request()) + "\x40\x01x\x01y";
  const auto said =
      after(frame(kHeaders, kFlagEndHeaders | kFlagPriority, 1, first) +
            frame(kHeaders, kFlagEndHeaders | kFlagEndStream, 3, block(request()) + "\xbe"));
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].head.type, kRstStream);
  EXPECT_EQ(said[0].head.stream, 1u);
  EXPECT_EQ(side->streams.live(), 1u);
}

TEST_F(SettingsOfClients, priority_of_a_wrong_size_is_an_error_of_its_stream_or_of_the_connection) {
  resets(headers(1) + frame(kPriority, 0, 1, "123456"), ErrorCode::kFrameSizeError);
  // RST_STREAM must not be sent on an idle stream (6.4).
  fails(frame(kPriority, 0, 1, "1234"), ErrorCode::kFrameSizeError);
  fails(headers(1) + rst(1) + frame(kPriority, 0, 1), ErrorCode::kFrameSizeError);
}

TEST_F(SettingsOfClients, priority_updates_are_ignored_but_for_what_rfc_9218_forbids) {
  accepts(frame(kPriorityUpdate, 0, 0, number(1) + "u=1, i") +
          frame(kPriorityUpdate, 0, 0, number(1)) +
          frame(kPriorityUpdate, 0, 0, number(1) + "not a dictionary") + headers(1));
  fails(frame(kPriorityUpdate, 0, 1, number(1) + "u=1"), ErrorCode::kProtocolError);
  fails(frame(kPriorityUpdate, 0, 0, number(0) + "u=1"), ErrorCode::kProtocolError);
  fails(frame(kPriorityUpdate, 0, 0, number(2) + "u=1"), ErrorCode::kProtocolError);
  fails(frame(kPriorityUpdate, 0, 0, "123"), ErrorCode::kFrameSizeError);
}

TEST_F(SettingsOfPods, a_pod_sends_no_priority_update) {
  fails(frame(kPriorityUpdate, 0, 0, number(1) + "u=1"), ErrorCode::kProtocolError);
}

}  // namespace
}  // namespace sluice::http2
