// What a peer may do only so often, or only so long: each guard with its counter, and what an
// honest peer does all day without meeting it.

#include "raw.h"

namespace sluice::http2 {
namespace {

using enum FrameType;

struct Guards : RawClient {
  // `paid`: pieces that the bytes of the first twenty pay for.
  void floods(const std::string& begin, const std::string& piece,
              config::Rate config::Guards::*rate, stats::Counter stats::Http2::*counter,
              std::string_view name, uint32_t paid = 0) {
    (guards.*rate) = {20, 5};
    restart(side->config);
    EXPECT_TRUE(side->hear(begin));
    const uint32_t greeting = rate == &config::Guards::settings ? 1 : 0;
    for (uint32_t i = greeting; i < 20; ++i)
      ASSERT_TRUE(side->hear(piece)) << i << side->http2.detail();
    side->say();
    side->now += 2s;  // ten more
    for (uint32_t i = 0; i < 10 + paid; ++i)
      ASSERT_TRUE(side->hear(piece)) << i << side->http2.detail();
    EXPECT_EQ((side->stats.*counter).get(), 0u);
    EXPECT_FALSE(side->hear(piece));
    EXPECT_EQ((side->stats.*counter).get(), 1u);
    EXPECT_EQ(side->http2.error(), ErrorCode::kEnhanceYourCalm);
    EXPECT_EQ(side->http2.guard(), name);
    EXPECT_LT(side->http2.held().bytes, 10'000u);
    // Off is off.
    (guards.*rate).burst = 0;
    restart(side->config);
    EXPECT_TRUE(side->hear(begin));
    for (uint32_t i = 0; i < 100; ++i) ASSERT_TRUE(side->hear(piece)) << side->http2.detail();
  }
  // The answer to request 1 waits, all of it.
  void stalls(uint32_t window, std::string_view body) {
    side->owner.headers_hook = [this, body = std::string(body)](Stream& s, Handler::Section, bool) {
      side->http2.send_headers(s, response(), false);
      side->send(s, body, true);
    };
    EXPECT_TRUE(side->hear(frame(kSettings, kFlagAck, 0) +
                           frame(kSettings, 0, 0, setting(Setting::kInitialWindowSize, window)) +
                           headers(1, true)));
  }
  // Looks for so long, as the owner does; the last verdict.
  Connection::Watched watched_for(int seconds) {
    Connection::Watched last = Connection::Watched::kFine;
    for (int i = 0; i < seconds; ++i)
      last = side->http2.watch(side->now += Connection::kWatchPeriod);
    return last;
  }
};

// The same toward a pod, whose connection carries the calls of many.
struct GuardsAgainstPods : RawPod {};

using G = config::Guards;
using S = stats::Http2;

TEST_F(Guards, settings_pings_and_other_frames_have_rates) {
  const std::string ping = frame(kPing, 0, 0, "12345678");
  floods("", frame(kSettings, 0, 0), &G::settings, &S::guard_settings, "settings");
  floods(frame(kSettings, kFlagAck, 0), frame(kSettings, kFlagAck, 0), &G::settings,
         &S::guard_settings, "settings");
  floods("", frame(kGoaway, 0, 0, "12345678"), &G::settings, &S::guard_settings, "settings");
  floods("", ping, &G::pings, &S::guard_ping, "ping");
  floods("", frame(kPriority, 0, 1, "12345"), &G::priorities, &S::guard_priority, "priority");
  floods("", frame(kPriorityUpdate, 0, 0, number(1) + "u=1"), &G::priorities, &S::guard_priority,
         "priority");
  floods("", frame(kWindowUpdate, 0, 0, number(1)), &G::window_updates, &S::guard_window_update,
         "window_update");
  floods("", frame(static_cast<FrameType>(0xbe), 0, 0, "x"), &G::unknown_frames,
         &S::guard_unknown_frame, "unknown_frame");
}

TEST_F(Guards, data_that_is_not_worth_its_frame_has_rates) {
  floods(headers(1), frame(kData, 0, 1), &G::empty_data, &S::guard_empty_data, "empty_data");
  floods(headers(1), frame(kData, 0, 1, "x"), &G::tiny_data, &S::guard_tiny_data, "tiny_data", 1);
  floods(headers(1), frame(kData, kFlagPadded, 1, "\x09h" + std::string(9, '\0')), &G::padding,
         &S::guard_padding, "padding", 1);
}

TEST_F(Guards, hpacks_table_changes_its_size_now_and_then_only) {
  guards.table_sizes = {4, 1};
  restart(side->config);
  const auto block_with = [](uint32_t id, int updates) {
    std::string b;
    for (int i = 0; i < updates; ++i) b += '\x20';  // a size of zero
    return frame(kHeaders, kFlagEndHeaders | kFlagEndStream, id, b + block(request()));
  };
  EXPECT_TRUE(side->hear(block_with(1, 2)));
  EXPECT_TRUE(side->hear(block_with(3, 2)));
  EXPECT_TRUE(side->hear(block_with(5, 0)));
  side->now += 1s;
  EXPECT_TRUE(side->hear(block_with(7, 1)));
  EXPECT_FALSE(side->hear(block_with(9, 1)));
  EXPECT_EQ(side->stats.guard_table_size.get(), 1u);
  EXPECT_STREQ(side->http2.guard(), "table_size");
  restart(side->config);
  EXPECT_FALSE(side->hear(block_with(1, 5))) << "all of them in one block";
}

TEST_F(Guards, messages_of_grpc_are_never_tiny) {
  guards.tiny_data = {1, 0};
  restart(side->config);
  side->hear(headers(1));
  for (int i = 0; i < 1000; ++i)
    ASSERT_TRUE(side->hear(frame(kData, 0, 1, std::string(5, '\0'))));  // an empty message
}

TEST_F(Guards, messages_of_any_size_pay_for_the_rests_that_they_leave_behind_full_frames) {
  guards.tiny_data = {2, 0};
  for (const size_t piece : {size_t{16'384}, size_t{1'024}, size_t{16}}) {
    for (const size_t rest : {1, 2, 3, 4}) {
      restart(side->config);
      side->hear(headers(1) + headers(3));
      // Both at once: the rest of one stream comes behind the rest of the other.
      const std::string full(piece, 'x'), little(rest, 'y');
      for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(side->hear(data(1, full) + data(3, full) + data(1, little) + data(3, little)))
            << piece << " + " << rest << ": " << i;
        side->say();
      }
    }
  }
}

TEST_F(Guards, a_message_is_worth_its_padding) {
  guards.padding = {2, 0};
  restart(side->config);
  side->hear(headers(1));
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(side->hear(frame(kData, kFlagPadded, 1, "\xc8hello" + std::string(200, '\0'))))
        << i;
    side->say();
  }
}

TEST_F(Guards, streams_over_the_limit_are_streams_that_the_client_made_pointless) {
  Config c;
  c.max_concurrent_streams = 1;
  guards.provoked_resets = {10, 1};
  restart(c);
  for (uint32_t i = 0; i <= 10; ++i) ASSERT_TRUE(side->hear(headers(2 * i + 1)));
  EXPECT_EQ(side->stats.guard_streams.get(), 10u);
  EXPECT_EQ(side->owner.guards, std::vector<std::string>{"streams"}) << "told once";
  EXPECT_FALSE(side->hear(headers(101)));
  EXPECT_EQ(side->stats.guard_provoked_reset.get(), 1u);
}

TEST_F(Guards, frames_that_are_discarded_are_counted) {
  guards.provoked_resets = guards.tiny_data = {20, 0};
  const std::string reset = headers(1) + frame(kWindowUpdate, 0, 1, number(0));
  const std::string forgotten = headers(1) + rst(1) + headers(1001);
  const std::string empty_headers = frame(kHeaders, kFlagEndHeaders, 1);
  const std::string the_end = frame(kData, kFlagEndStream, 1);
  for (const auto& [begin, piece, guard] :
       {std::tuple(reset, empty_headers, "provoked_reset"),
        std::tuple(reset, the_end, "provoked_reset"),
        std::tuple(forgotten, empty_headers, "provoked_reset"),
        std::tuple(forgotten, the_end, "tiny_data"),
        std::tuple(forgotten, headers(1, true, trailers()), "provoked_reset")}) {
    restart(side->config);
    ASSERT_TRUE(side->hear(begin));
    int n = 0;
    while (n < 100 && side->hear(piece)) ++n;
    EXPECT_GE(n, 19) << guard;
    EXPECT_LE(n, 45) << guard;
    EXPECT_EQ(side->http2.error(), ErrorCode::kEnhanceYourCalm);
  }
}

TEST_F(Guards, requests_behind_our_final_goaway_are_counted) {
  guards.provoked_resets = {20, 0};
  restart(side->config);
  side->http2.goaway(0, ErrorCode::kNoError);
  side->http2.refuse_new_streams();
  for (uint32_t i = 0; i < 20; ++i) ASSERT_TRUE(side->hear(headers(2 * i + 1, true))) << i;
  EXPECT_FALSE(side->hear(headers(41, true)));
  EXPECT_EQ(side->stats.guard_provoked_reset.get(), 1u);
}

TEST_F(Guards, what_crossed_our_resets_costs_nothing) {
  guards.provoked_resets = guards.tiny_data = guards.empty_data = {1, 0};
  restart(side->config);
  // As when the calls of a pod that is lost end.
  side->owner.headers_hook = [this](Stream& s, Handler::Section, bool) {
    side->http2.reset(s, ErrorCode::kCancel);
  };
  const std::string kib(16'384, 'x');
  for (uint32_t id = 1; id < 1001; id += 2) {
    ASSERT_TRUE(side->hear(headers(id) + data(id, kib) + data(id, kib) +
                           (id % 4 == 1 ? data(id, "", true) : headers(id, true, trailers()))))
        << id << side->http2.detail();
    side->say();
  }
}

TEST_F(Guards, window_updates_that_nobody_reads_are_bounded) {
  guards.unread_answers = 1'024;
  restart(side->config);
  side->hear(headers(1));
  int n = 0;
  while (n < 1'000 && side->hear(data(1, std::string(16'000, 'x')))) ++n;
  EXPECT_TRUE(side->http2.failed());
  EXPECT_EQ(side->stats.guard_unread_answers.get(), 1u);
  EXPECT_LT(side->output.size(), 1'024u + 100);
  EXPECT_GT(n, 100) << "two windows are given back for a megabyte";
}

TEST_F(Guards, resets_that_nobody_reads_are_bounded) {
  guards.unread_answers = 1'024;
  restart(side->config);
  uint32_t id = 1;
  while (id < 2'000 && side->hear(headers(id) + frame(kWindowUpdate, 0, id, number(0)))) id += 2;
  EXPECT_TRUE(side->http2.failed());
  EXPECT_EQ(side->stats.guard_unread_answers.get(), 1u);
  EXPECT_LT(side->output.size(), 1'024u + 100);
}

TEST_F(Guards, whoever_lets_calls_end_may_cancel_as_many) {
  guards.resets = {4, 0};
  restart(side->config);
  side->owner.headers_hook = [this](Stream& s, Handler::Section, bool end) {
    if (end) side->http2.send_headers(s, response(), true);
  };
  for (uint32_t id = 1; id < 2000; id += 4) {
    ASSERT_TRUE(
        side->hear(headers(id, true) + headers(id + 2) + frame(kRstStream, 0, id + 2, number(8))))
        << id;
    side->say();
  }
}

TEST_F(Guards, frames_that_were_sent_earn_pings_and_window_updates) {
  guards.pings = guards.window_updates = {4, 0};
  restart(side->config);
  side->owner.headers_hook = [this](Stream& s, Handler::Section, bool) {
    side->http2.send_headers(s, response(), true);
  };
  for (uint32_t id = 1; id < 2000; id += 2) {
    ASSERT_TRUE(side->hear(headers(id, true) + frame(kPing, 0, 0, "12345678") +
                           frame(kWindowUpdate, 0, 0, number(1))));
    side->say();
  }
}

TEST_F(Guards, a_reload_holds_for_connections_that_live) {
  side->hear(frame(kPing, 0, 0, "12345678"));
  guards.continuations = 0;
  EXPECT_FALSE(side->hear(frame(kHeaders, 0, 1) + frame(kContinuation, 0, 1)));
  EXPECT_EQ(side->stats.guard_continuation.get(), 1u);
}

TEST_F(Guards, a_field_block_has_a_size_in_one_frame_or_many) {
  guards.field_block_size = 20'000;
  guards.continuations = 1'000;
  const std::string part(16'384, 'x');
  restart(side->config);
  EXPECT_FALSE(side->hear(frame(kHeaders, 0, 1, part) + frame(kContinuation, 0, 1, part)));
  EXPECT_EQ(side->stats.guard_field_block.get(), 1u);
}

// 65 KB that name 62 MB.
std::string names_repeated_without_end() {
  const std::string name(1'900, 'n');
  std::string block = "\x83\x86\x84\x40\x7f\xed\x0d" + name + std::string(1, '\0');
  while (block.size() < 65'000) block += std::string("\x7e\0", 2);
  std::string out;
  for (size_t at = 0; at < block.size(); at += 16'384)
    out += frame(at == 0 ? kHeaders : kContinuation,
                 at + 16'384 >= block.size() ? kFlagEndHeaders : 0, 1, block.substr(at, 16'384));
  return out;
}

void end_for_a_block_that_repeats_names(RawPeer& p, uint64_t fields) {
  p.fails(names_repeated_without_end(), ErrorCode::kEnhanceYourCalm);
  EXPECT_EQ(p.side->stats.guard_field_block.get(), 1u);
  EXPECT_STREQ(p.side->http2.guard(), "field_block");
  EXPECT_STREQ(p.side->http2.detail(), "field block of far too large a list");
  EXPECT_EQ(p.side->stats.header_list_too_big.get(), 0u);
  EXPECT_LE(p.side->stats.hpack_fields_in.get(), fields) << "of 31,000";
}

TEST_F(Guards, a_client_that_repeats_long_names_in_a_block_is_sent_away) {
  end_for_a_block_that_repeats_names(*this, 100);
}

TEST_F(RawPod, a_pod_that_repeats_long_names_in_a_block_is_left) {
  end_for_a_block_that_repeats_names(*this, 700);
}

TEST_F(Guards, a_section_has_so_many_fields_and_a_frame_so_many_settings) {
  guards.header_fields = 20;
  guards.settings_entries = 8;
  restart(side->config);
  FieldList many = request();
  for (int i = 0; i < 20; ++i) many.add("x", "y", Name::kOther);
  EXPECT_TRUE(side->hear(headers(1, true, many)));
  EXPECT_TRUE(side->hear(headers(3, true, many)));
  EXPECT_EQ(side->stats.header_list_too_big.get(), 2u);
  EXPECT_EQ(side->owner.guards, std::vector<std::string>{"header_list"}) << "told once";
  std::string nine;
  for (int i = 0; i < 9; ++i) nine += setting(Setting::kMaxConcurrentStreams, 1);
  EXPECT_FALSE(side->hear(frame(kSettings, 0, 0, nine)));
  EXPECT_EQ(side->stats.guard_settings.get(), 1u);
}

TEST_F(Guards, cookies_in_a_row_are_one_field) {
  guards.header_fields = 20;
  restart(side->config);
  FieldList many = request();
  for (int i = 0; i < 100; ++i) many.add("cookie", "a=b", Name::kCookie);
  EXPECT_TRUE(side->hear(headers(1, true, many)));
  EXPECT_EQ(side->stats.header_list_too_big.get(), 0u);
  FieldList apart = request();
  for (int i = 0; i < 15; ++i) {
    apart.add("cookie", "a=b", Name::kCookie);
    apart.add("x", "y", Name::kOther);
  }
  EXPECT_TRUE(side->hear(headers(3, true, apart)));
  EXPECT_EQ(side->stats.header_list_too_big.get(), 1u);
}

TEST_F(Guards, fields_without_a_name_are_counted_and_told_and_there_are_not_many_of_them) {
  FieldList f = request();
  f.add("", "x", Name::kOther);
  FieldList nameless_trailers = trailers();
  nameless_trailers.add("", "x", Name::kOther);
  resets(headers(1, true, f), ErrorCode::kProtocolError);
  EXPECT_EQ(side->stats.guard_empty_name.get(), 1u);
  resets(headers(1) + headers(1, true, nameless_trailers), ErrorCode::kProtocolError);
  EXPECT_EQ(side->stats.guard_empty_name.get(), 1u);

  guards.empty_names = {20, 0};
  restart(side->config);
  for (uint32_t i = 0; i < 20; ++i) ASSERT_TRUE(side->hear(headers(2 * i + 1, true, f))) << i;
  EXPECT_EQ(side->owner.guards, std::vector<std::string>{"empty_name"}) << "once";
  EXPECT_FALSE(side->hear(headers(41, true, f)));
  EXPECT_STREQ(side->http2.guard(), "empty_name");
  EXPECT_EQ(side->http2.error(), ErrorCode::kEnhanceYourCalm);
  EXPECT_EQ(side->stats.guard_empty_name.get(), 21u);
}

TEST_F(GuardsAgainstPods, fields_without_a_name_end_their_stream_only) {
  guards.empty_names = {1, 0};
  restart(side->config);
  FieldList f = response();
  f.add("", "x", Name::kOther);
  for (uint32_t id = 1; id < 21; id += 2) {
    ASSERT_TRUE(side->hear(headers(id, true, f)));
    side->http2.open(request(), false, &side->owner);
    side->say();
  }
  EXPECT_EQ(side->stats.guard_empty_name.get(), 10u);
  EXPECT_EQ(side->owner.guards, (std::vector<std::string>{"empty_name", "broken_answer"}))
      << "once each";
}

TEST_F(Guards, windows_of_a_byte_at_a_time_are_borne_only_so_often) {
  guards.dribble = {20, 0};
  restart(side->config);
  stalls(0, std::string(1000, 'x'));
  std::string one_more = frame(kWindowUpdate, 0, 1, number(1));
  for (int i = 0; i < 21; ++i) {  // twenty bytes that left pay for one more
    ASSERT_TRUE(side->hear(one_more));
    side->say();
    ASSERT_FALSE(side->http2.failed()) << i;
  }
  side->hear(one_more);
  side->say();
  EXPECT_TRUE(side->http2.failed());
  EXPECT_EQ(side->stats.guard_dribble.get(), 1u);
}

TEST_F(Guards, whoever_opens_his_window_by_each_frame_that_he_got_pays_for_the_rests) {
  guards.dribble = {2, 0};
  restart(side->config);
  stalls(16'384, std::string(500'000, 'x'));
  side->say();
  for (int i = 0; i < 25; ++i) {
    for (const uint32_t n : {16'384u, 1u}) {
      ASSERT_TRUE(side->hear(frame(kWindowUpdate, 0, 0, number(n)) +
                             frame(kWindowUpdate, 0, 1, number(n))));
      side->say();
      ASSERT_FALSE(side->http2.failed()) << i;
    }
  }
}

TEST_F(GuardsAgainstPods,
       messages_of_any_size_pay_for_the_rests_that_they_leave_behind_full_frames) {
  guards.tiny_data = {2, 0};
  restart(side->config);
  side->hear(headers(1, false, response()));
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(side->hear(data(1, std::string(16'384, 'x')) + data(1, "yyy"))) << i;
    side->say();
  }
}

TEST_F(GuardsAgainstPods, an_echo_of_a_few_bytes_is_paid_for_by_what_it_echoes) {
  guards.tiny_data = {2, 0};
  restart(side->config);
  side->hear(headers(1, false, response()));
  for (int i = 0; i < 1000; ++i) {
    side->http2.for_each_stream([&](Stream& s) { side->send(s, "key", false); });
    side->say();
    ASSERT_TRUE(side->hear(data(1, "key"))) << i;
  }
}

TEST_F(GuardsAgainstPods, one_that_pads_all_its_answers_is_not_ended_for_it) {
  guards.padding = {2, 0};
  restart(side->config);
  const std::string pad(200, '\0');
  const auto padded = [&](FrameType type, uint8_t flags, uint32_t id, const std::string& content) {
    return frame(type, flags | kFlagPadded, id, "\xc8" + content + pad);
  };
  for (uint32_t id = 3; id < 2003; id += 2) {
    ASSERT_NE(side->http2.open(request(), true, &side->owner), nullptr);
    side->say();
    // HPACK makes such fields a byte or two.
    ASSERT_TRUE(side->hear(padded(kHeaders, kFlagEndHeaders, id, "\x88") +
                           padded(kData, 0, id, "hello") +
                           padded(kHeaders, kFlagEndHeaders | kFlagEndStream, id, "")))
        << id << side->http2.detail();
  }
}

TEST_F(GuardsAgainstPods, frames_that_are_discarded_are_counted) {
  guards.tiny_data = {20, 0};
  restart(side->config);
  side->http2.for_each_stream([&](Stream& s) { side->http2.reset(s, ErrorCode::kCancel); });
  side->say();
  int n = 0;
  while (n < 100 && side->hear(frame(kData, kFlagEndStream, 1))) ++n;
  EXPECT_GE(n, 20);
  EXPECT_LE(n, 50);
  EXPECT_STREQ(side->http2.guard(), "tiny_data");
}

TEST_F(GuardsAgainstPods, resets_and_window_updates_that_nobody_reads_are_bounded) {
  guards.unread_answers = 1'024;
  restart(side->config);
  side->http2.flush(1 << 20);
  int n = 0;
  for (; n < 1'000 && !side->http2.failed(); ++n) {
    Stream* s = side->http2.open(request(), true, &side->owner);
    if (s != nullptr) side->http2.reset(*s, ErrorCode::kCancel);
  }
  EXPECT_TRUE(side->http2.failed());
  EXPECT_EQ(side->stats.guard_unread_answers.get(), 1u);
  EXPECT_GT(n, 70) << "13 bytes each";

  restart(side->config);
  side->hear(headers(1, false, response()));
  for (n = 0; n < 1'000 && side->hear(data(1, std::string(16'000, 'x')));) ++n;
  EXPECT_TRUE(side->http2.failed());
  EXPECT_EQ(side->stats.guard_unread_answers.get(), 1u);
}

TEST_F(GuardsAgainstPods, windows_of_a_byte_at_a_time_end_the_stream_and_no_others) {
  guards.dribble = {20, 0};
  restart(side->config);
  ASSERT_NE(side->http2.open(request(), false, &side->owner), nullptr);
  side->hear(frame(kSettings, 0, 0, setting(Setting::kInitialWindowSize, 0)));
  side->http2.for_each_stream([&](Stream& s) { side->send(s, std::string(1000, 'x'), true); });
  for (int i = 0; i <= 20; ++i) {
    ASSERT_FALSE(side->owner.streams[1].reset) << i;
    ASSERT_TRUE(side->hear(frame(kWindowUpdate, 0, 1, number(1))));
    side->say();
    // One that is served in between has its own count.
    ASSERT_TRUE(side->hear(frame(kWindowUpdate, 0, 3, number(i % 10 == 9 ? 5 : 1))));
    side->say();
  }
  EXPECT_TRUE(side->owner.streams[1].reset);
  EXPECT_EQ(side->owner.streams[1].code, ErrorCode::kInternalError);
  EXPECT_FALSE(side->owner.streams[3].reset);
  EXPECT_EQ(side->stats.guard_dribble.get(), 1u);
  EXPECT_EQ(side->owner.guards, std::vector<std::string>{"dribble"});
  EXPECT_FALSE(side->http2.failed());
}

TEST_F(Guards, a_client_that_says_nothing_is_sent_away) {
  Side silent(Role::kServer, buffers, side->config);
  silent.say();
  EXPECT_TRUE(silent.http2.wants_watch());
  for (int i = 0; i < 9; ++i) silent.http2.watch(silent.now += 1s);
  EXPECT_FALSE(silent.http2.failed());
  EXPECT_EQ(silent.http2.watch(silent.now += 1s), Connection::Watched::kFailed);
  EXPECT_EQ(silent.stats.guard_preface.get(), 1u);
}

TEST_F(Guards, settings_have_to_be_acknowledged_in_time) {
  EXPECT_EQ(watched_for(29), Connection::Watched::kFine);
  EXPECT_EQ(watched_for(1), Connection::Watched::kFailed);
  EXPECT_EQ(side->http2.error(), ErrorCode::kSettingsTimeout);
  EXPECT_EQ(side->stats.guard_settings_ack.get(), 1u);
}

TEST_F(Guards, the_streams_of_a_client_that_does_not_acknowledge_settings_may_end) {
  Stream* stream = nullptr;
  side->owner.headers_hook = [&](Stream& s, Handler::Section, bool) { stream = &s; };
  side->hear(headers(1, true));
  EXPECT_EQ(watched_for(29), Connection::Watched::kFine);
  side->say();
  EXPECT_EQ(watched_for(1), Connection::Watched::kLate);
  EXPECT_FALSE(side->http2.failed());
  EXPECT_EQ(side->stats.guard_settings_ack.get(), 1u);
  const auto said = frames(side->say());
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(said[0].head.type, kGoaway);
  EXPECT_EQ(said[0].number(0), 1u);
  EXPECT_EQ(static_cast<ErrorCode>(said[0].number(4)), ErrorCode::kSettingsTimeout);
  // Once; and what comes behind it is not looked at.
  EXPECT_EQ(watched_for(60), Connection::Watched::kFine);
  side->hear(headers(3, true));
  EXPECT_EQ(side->streams.live(), 1u);
  EXPECT_TRUE(side->say().empty());
  // The answer still passes.
  side->http2.send_headers(*stream, response(), true);
  EXPECT_EQ(frames(side->say())[0].head.type, kHeaders);
}

TEST_F(GuardsAgainstPods, settings_have_to_be_acknowledged_in_time) {
  for (int i = 0; i < 29; ++i) side->http2.watch(side->now += Connection::kWatchPeriod);
  EXPECT_FALSE(side->http2.failed());
  EXPECT_EQ(side->http2.watch(side->now += Connection::kWatchPeriod), Connection::Watched::kFailed);
}

TEST_F(Guards, a_frame_and_a_field_block_have_to_end_in_time) {
  side->hear(frame(kSettings, kFlagAck, 0));
  EXPECT_FALSE(side->http2.wants_watch());
  const std::string whole = headers(1, true);
  const std::string open = frame(kHeaders, 0, 1, block(request()));
  for (const std::string& begin :
       {whole.substr(0, 4), whole.substr(0, 9), whole.substr(0, 12), open}) {
    restart(side->config);
    side->hear(frame(kSettings, kFlagAck, 0) + begin);
    EXPECT_TRUE(side->http2.wants_watch());
    EXPECT_EQ(watched_for(9), Connection::Watched::kFine);
    EXPECT_EQ(watched_for(1), Connection::Watched::kFailed);
    EXPECT_EQ(side->stats.guard_slow_headers.get(), 1u);
  }
}

TEST_F(Guards, a_byte_a_second_does_not_keep_a_field_block_alive) {
  side->hear(frame(kSettings, kFlagAck, 0) + frame(kHeaders, 0, 1, block(request())));
  const std::string more = frame(kContinuation, 0, 1, std::string(100, 'x'));
  for (int i = 0; i < 9; ++i) {
    side->hear(more.substr(static_cast<size_t>(i), 1));
    EXPECT_EQ(watched_for(1), Connection::Watched::kFine);
  }
  EXPECT_EQ(watched_for(1), Connection::Watched::kFailed);
}

TEST_F(Guards, the_first_bytes_of_a_payload_do_not_give_its_frame_more_time) {
  const std::string whole = headers(1, true);
  for (const size_t cut : {4, 9}) {
    restart(side->config);
    side->hear(frame(kSettings, kFlagAck, 0) + whole.substr(0, cut));
    EXPECT_EQ(watched_for(9), Connection::Watched::kFine);
    side->hear(whole.substr(cut, 12 - cut));
    EXPECT_EQ(watched_for(1), Connection::Watched::kFailed) << cut;
  }
}

TEST_F(Guards, cut_frames_of_a_busy_client_are_no_slow_headers) {
  side->hear(frame(kSettings, kFlagAck, 0));
  std::string bytes;
  for (uint32_t id = 1; id < 200; id += 2)
    bytes += headers(id, true) + frame(kRstStream, 0, id, number(8));
  for (size_t at = 0; at < bytes.size(); at += 50) {
    side->hear(bytes.substr(at, 50));
    ASSERT_EQ(watched_for(1), Connection::Watched::kFine);
  }
}

TEST_F(Guards, a_stream_whose_window_stays_shut_is_reset_and_its_owner_told) {
  guards.stall_timeout = 3s;
  stalls(10, "more than ten bytes");
  side->say();
  EXPECT_TRUE(side->http2.wants_watch());
  watched_for(2);
  side->hear(frame(kWindowUpdate, 0, 1, number(1)));  // takes something, and has three seconds more
  side->say();
  watched_for(2);
  EXPECT_FALSE(side->owner.streams[1].reset);
  watched_for(1);
  EXPECT_TRUE(side->owner.streams[1].reset);
  EXPECT_EQ(side->owner.streams[1].code, ErrorCode::kEnhanceYourCalm);
  EXPECT_EQ(side->stats.guard_stalled_stream.get(), 1u);
  EXPECT_EQ(side->owner.guards, std::vector<std::string>{"stalled_stream"});
  EXPECT_FALSE(side->http2.failed());
}

TEST_F(Guards, a_stream_that_waits_for_its_turn_on_a_slow_line_is_not_stalled) {
  guards.stall_timeout = 3s;
  side->owner.headers_hook = [this](Stream& s, Handler::Section, bool) {
    side->http2.send_headers(s, response(), false);
    side->send(s, std::string(60'000, 'x'), true);
  };
  ASSERT_TRUE(
      side->hear(frame(kSettings, kFlagAck, 0) + frame(kWindowUpdate, 0, 0, number(1 << 20))));
  side->say(0);  // no room behind what is on its way
  for (uint32_t id = 1; id < 20; id += 2) ASSERT_TRUE(side->hear(headers(id, true)));
  for (int i = 0; i < 60; ++i) {
    side->say(16'384);  // a second's worth
    watched_for(1);
  }
  for (uint32_t id = 1; id < 20; id += 2) EXPECT_TRUE(side->owner.streams[id].closed) << id;
  EXPECT_EQ(side->stats.guard_stalled_stream.get(), 0u);
}

TEST_F(Guards, a_client_that_takes_nothing_of_the_output_is_gone) {
  guards.stall_timeout = 3s;
  stalls(65'535, std::string(20'000, 'x'));
  side->http2.flush(100'000);
  ASSERT_FALSE(side->output.empty());
  watched_for(3);
  side->output.trim_to(side->output.begin() + 1);
  EXPECT_EQ(watched_for(3), Connection::Watched::kFine);
  EXPECT_EQ(watched_for(1), Connection::Watched::kGone);
  EXPECT_EQ(side->stats.guard_slow_read.get(), 1u);
}

}  // namespace
}  // namespace sluice::http2
