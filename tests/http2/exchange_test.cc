// Two connections back to back.

#include <ctime>

#include "fixture.h"

namespace sluice::http2 {
namespace {

struct Pair {
  explicit Pair(const Config& c = {}, const Config& s = {})
      : client(Role::kClient, buffers, c), server(Role::kServer, buffers, s) {
    talk(client, server);
  }
  Stream* open(bool end = false) { return client.http2.open(request(), end, &client.owner); }

  // The server answers a whole request with `body` and trailers.
  void answer_with(const std::string& body) {
    server.owner.data_hook = [this, body](Stream& s, buf::Slice data, bool end) {
      if (data.size() > 0) server.http2.consumed(s, data.size());
      if (end) answer(s, body);
    };
    server.owner.headers_hook = [this, body](Stream& s, Handler::Section, bool end) {
      if (end) answer(s, body);
    };
  }
  void answer(Stream& s, const std::string& body) {
    server.http2.send_headers(s, response(), false);
    if (!body.empty()) server.send(s, body, false);
    if (server.streams.live() == 0) return;  // a hook has ended it
    server.http2.send_headers(s, trailers(), true);
  }

  Buffers buffers;
  Side client;
  Side server;
};

std::string pattern(size_t n, uint32_t seed = 1) {
  std::string s(n, 0);
  for (char& c : s) c = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
  return s;
}

TEST(Exchange, a_unary_call_brings_headers_data_and_trailers_both_ways) {
  Pair p;
  p.answer_with("world");
  Stream* s = p.open();
  ASSERT_NE(s, nullptr);
  p.client.send(*s, "hello", true);
  talk(p.client, p.server);
  EXPECT_EQ(p.server.owner.streams[1].body, "hello");
  auto& heard = p.client.owner.streams[1];
  EXPECT_EQ(heard.body, "world");
  EXPECT_EQ(heard.headers.find(Name::kStatus), "200");
  EXPECT_EQ(heard.trailers.find(Name::kGrpcStatus), "0");
  EXPECT_TRUE(heard.closed);
  EXPECT_TRUE(p.server.owner.streams[1].closed);
  EXPECT_EQ(p.client.http2.open_streams() + p.server.http2.open_streams(), 0u);
  EXPECT_EQ(p.client.streams.live() + p.server.streams.live(), 0u);
}

class Windows : public testing::TestWithParam<std::tuple<uint32_t, uint32_t, uint32_t>> {};

TEST_P(Windows, four_megabytes_pass_both_ways) {
  const auto [stream_window, connection_window, room] = GetParam();
  Config c;
  c.initial_stream_window = stream_window;
  c.connection_window = connection_window;
  Pair p(c, c);
  const std::string up = pattern(4 << 20, 1);
  const std::string down = pattern(4 << 20, 2);
  p.server.owner.headers_hook = [&](Stream& s, Handler::Section, bool) {
    p.server.http2.send_headers(s, response(), false);
  };
  Stream* s = p.open();
  // As an owner would: more when some has left.
  const auto feed = [](Side& side, Stream& stream, const std::string& body, size_t& at) {
    while (at < body.size() && stream.queued() < 65536) {
      const size_t n = std::min<size_t>(1400, body.size() - at);
      at += n;
      side.http2.send_data(stream, side.buffers.slice(std::string_view(body).substr(at - n, n)),
                           at == body.size());
    }
  };
  size_t sent_up = 0;
  size_t sent_down = 0;
  for (int idle = 0; idle < 3;) {
    if (!p.client.owner.streams[1].closed) feed(p.client, *s, up, sent_up);
    const std::string there = p.client.say(room);
    p.server.hear(there);
    if (p.server.http2.open_streams() == 1)
      p.server.http2.for_each_stream([&](Stream& t) { feed(p.server, t, down, sent_down); });
    const std::string back = p.server.say(room);
    p.client.hear(back);
    idle = there.empty() && back.empty() ? idle + 1 : 0;
  }
  EXPECT_TRUE(p.server.owner.streams[1].body == up);
  EXPECT_TRUE(p.client.owner.streams[1].body == down);
  EXPECT_TRUE(p.client.owner.streams[1].closed);
  EXPECT_TRUE(p.server.owner.streams[1].closed);
  EXPECT_EQ(p.client.owner.streams[1].sent, up.size());
}

INSTANTIATE_TEST_SUITE_P(, Windows,
                         testing::Values(std::tuple{65536u, 1048576u, 1u << 20},
                                         std::tuple{3000u, 1048576u, 1u << 20},
                                         std::tuple{1u << 20, 65535u, 1u << 20},
                                         std::tuple{1u << 20, 1u << 20, 5000u}));

TEST(Exchange, a_hundred_streams_share_a_small_connection_window) {
  Config c;
  c.connection_window = 65535;
  c.initial_stream_window = 1 << 20;
  Pair p(c, c);
  const std::string body = pattern(20'000);
  p.answer_with(body);
  for (int i = 0; i < 100; ++i) {
    Stream* s = p.open();
    ASSERT_NE(s, nullptr);
    p.client.send(*s, body, true);
  }
  talk(p.client, p.server);
  ASSERT_EQ(p.client.owner.streams.size(), 100u);
  for (auto& [id, heard] : p.client.owner.streams) {
    EXPECT_TRUE(heard.closed) << id;
    EXPECT_TRUE(heard.body == body) << id;
  }
  EXPECT_EQ(p.server.streams.live(), 0u);
}

TEST(Exchange, the_bytes_may_be_cut_anywhere) {
  std::vector<std::string> logs[3];
  const size_t chunks[] = {1400, 1, 7};
  for (int i = 0; i < 3; ++i) {
    Pair p;
    p.answer_with(pattern(3000));
    Stream* s = p.open();
    p.client.send(*s, pattern(2000), true);
    p.open(true);
    talk(p.client, p.server, chunks[i]);
    logs[i] = p.server.owner.log;
    logs[i].insert(logs[i].end(), p.client.owner.log.begin(), p.client.owner.log.end());
    EXPECT_TRUE(p.client.owner.streams[1].body == pattern(3000));
  }
  EXPECT_EQ(logs[0], logs[1]);
  EXPECT_EQ(logs[0], logs[2]);
}

TEST(Exchange, a_cancelled_stream_ends_on_the_other_side) {
  Pair p;
  Stream* s = p.open();
  talk(p.client, p.server);
  p.client.http2.reset(*s, ErrorCode::kCancel);
  talk(p.client, p.server);
  EXPECT_TRUE(p.server.owner.streams[1].reset);
  EXPECT_EQ(p.server.owner.streams[1].code, ErrorCode::kCancel);
  EXPECT_EQ(p.server.streams.live(), 0u);
  EXPECT_FALSE(p.client.owner.streams[1].reset) << "the owner that resets is not told";
}

TEST(Exchange, an_answer_before_the_end_of_the_request_ends_with_no_error) {
  Pair p;
  p.server.owner.headers_hook = [&](Stream& s, Handler::Section, bool) {
    p.server.http2.send_headers(s, response(), true);
    p.server.http2.reset_after_output(s, ErrorCode::kNoError);
  };
  p.open();
  talk(p.client, p.server);
  EXPECT_TRUE(p.client.owner.streams[1].ended);
  EXPECT_TRUE(p.client.owner.streams[1].reset);
  EXPECT_EQ(p.client.owner.streams[1].code, ErrorCode::kNoError);
  EXPECT_EQ(p.server.streams.live(), 0u);
}

TEST(Exchange, the_owner_may_reset_a_stream_from_every_callback) {
  for (int where = 0; where < 4; ++where) {
    Pair p;
    const auto cancel = [&](Stream& s) { p.server.http2.reset(s, ErrorCode::kCancel); };
    if (where == 0)
      p.server.owner.headers_hook = [&](Stream& s, Handler::Section, bool) { cancel(s); };
    if (where == 1) p.server.owner.data_hook = [&](Stream& s, buf::Slice, bool) { cancel(s); };
    if (where >= 2) {
      p.answer_with(pattern(where == 2 ? 100 : 200'000));
      (where == 2 ? p.server.owner.sent_hook : p.server.owner.last_hook) = cancel;
    }
    Stream* s = p.open();
    p.client.send(*s, "hello", true);
    talk(p.client, p.server);
    EXPECT_EQ(p.server.streams.live(), 0u) << where;
    EXPECT_EQ(p.client.streams.live(), 0u) << where;
    EXPECT_FALSE(p.server.http2.failed());
  }
}

TEST(Exchange, reset_from_on_sent_while_data_is_flushed) {
  Config c;
  c.initial_stream_window = 4000;
  Pair p(c, c);
  p.answer_with(pattern(50'000));
  int calls = 0;
  p.server.owner.sent_hook = [&](Stream& s) {
    if (++calls == 5) p.server.http2.reset(s, ErrorCode::kInternalError);
  };
  p.open(true);
  talk(p.client, p.server);
  EXPECT_EQ(calls, 5);
  EXPECT_TRUE(p.client.owner.streams[1].reset);
  EXPECT_EQ(p.server.streams.live(), 0u);
}

TEST(Exchange, a_request_that_nobody_ties_is_refused) {
  Pair p;
  p.server.owner.tie = false;
  p.open();
  talk(p.client, p.server);
  EXPECT_EQ(p.client.owner.streams[1].code, ErrorCode::kRefusedStream);
  EXPECT_EQ(p.server.streams.live(), 0u);
}

TEST(Exchange, the_client_keeps_to_the_servers_limit_of_streams) {
  Config s;
  s.max_concurrent_streams = 3;
  Pair p({}, s);
  for (int i = 0; i < 3; ++i) EXPECT_NE(p.open(), nullptr);
  EXPECT_EQ(p.open(), nullptr);
  EXPECT_EQ(p.client.http2.peer_max_concurrent_streams(), 3u);
}

TEST(Exchange, requests_that_wait_for_room_get_their_ids_in_order) {
  Pair p;
  p.answer_with("x");
  p.client.http2.flush(0);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(p.open(true)->id(), 0u);
  EXPECT_TRUE(p.client.http2.wants_flush());
  talk(p.client, p.server);
  for (uint32_t id = 1; id < 10; id += 2) EXPECT_TRUE(p.client.owner.streams[id].closed) << id;
}

// Processor time a request, of so many that wait for room: half are cancelled, the rest sent.
double cost_of_waiting(Buffers& buffers, int n) {
  Side client(Role::kClient, buffers);
  client.say();
  client.hear(frame(FrameType::kSettings, 0, 0));
  client.say(0);
  std::vector<Stream*> waiting;
  for (int i = 0; i < n; ++i) waiting.push_back(client.http2.open(request(), true, &client.owner));
  const std::clock_t begin = std::clock();
  for (size_t i = 0; i < waiting.size(); i += 2)
    client.http2.reset(*waiting[i], ErrorCode::kCancel);
  while (client.http2.wants_flush()) client.say();
  return static_cast<double>(std::clock() - begin) / n;
}

TEST(Exchange, a_request_that_waits_costs_no_more_for_others_that_wait) {
  Buffers buffers;
  double ratio = 100;
  for (int tries = 0; tries < 3; ++tries) {
    const double few = cost_of_waiting(buffers, 4'000);
    ratio = std::min(ratio, cost_of_waiting(buffers, 64'000) / few);
  }
  EXPECT_LT(ratio, 8) << "caches are smaller than all that waits";
}

TEST(Exchange, data_behind_headers_that_wait_for_room_counts_as_held) {
  Buffers buffers;
  Side client(Role::kClient, buffers);
  client.http2.flush(0);  // no room from here on
  const uint64_t before = client.http2.held().bytes;
  Stream* s = client.http2.open(request(), false, &client.owner);
  client.send(*s, std::string(5'000, 'x'), true);
  EXPECT_EQ(s->id(), 0u);
  EXPECT_EQ(client.http2.held().bytes, before + 5'000);
}

TEST(Exchange, a_100_that_waits_for_room_is_not_replaced_by_a_103) {
  Pair p;
  Stream* asked = nullptr;
  p.server.owner.headers_hook = [&](Stream& s, Handler::Section, bool) { asked = &s; };
  p.open();
  talk(p.client, p.server);
  ASSERT_NE(asked, nullptr);
  p.server.http2.flush(0);  // no room from here on
  for (const char* status : {"103", "100", "103"}) {
    FieldList f;
    f.add(http::Name::kStatus, status);
    p.server.http2.send_headers(*asked, f, false);
  }
  talk(p.client, p.server);
  EXPECT_EQ(p.client.owner.log.back(), "1 informational :status=100");
}

TEST(Exchange, after_goaway_the_client_opens_nothing) {
  Pair p;
  p.server.http2.goaway(kMaxStreamId, ErrorCode::kNoError);
  talk(p.client, p.server);
  EXPECT_FALSE(p.client.http2.can_open());
  EXPECT_EQ(p.client.owner.log.back(), "goaway 2147483647 NO_ERROR");
}

TEST(Exchange, a_stream_above_the_final_goaway_is_discarded_with_all_its_frames) {
  Pair p;
  p.server.http2.goaway(0, ErrorCode::kNoError);
  p.server.http2.refuse_new_streams();
  Stream* s = p.open();
  p.client.send(*s, "hello", false);
  p.client.http2.reset(*s, ErrorCode::kCancel);
  talk(p.client, p.server);
  EXPECT_FALSE(p.server.http2.failed()) << p.server.http2.detail();
  EXPECT_TRUE(p.server.owner.streams.empty());
}

TEST(Exchange, a_ping_comes_back) {
  Pair p;
  p.client.http2.ping(42);
  talk(p.client, p.server);
  EXPECT_EQ(p.client.owner.log.back(), "ping 42");
}

}  // namespace
}  // namespace sluice::http2
