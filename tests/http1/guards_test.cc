// The guards that measure a client's rate, and those that count.

#include "fixture.h"

namespace sluice::http1 {
namespace {

using Watched = http::Connection::Watched;

constexpr std::string_view kRequest = "GET / HTTP/1.1\r\nHost: v\r\n\r\n";
constexpr std::string_view kUpload =
    "POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 1000000\r\n\r\n";
constexpr std::string_view kChunked =
    "POST / HTTP/1.1\r\nHost: v\r\nTransfer-Encoding: chunked\r\n\r\n";

class GuardTest : public ServerTest {
 protected:
  GuardTest() { set(config::Guards{.min_rate = 100, .min_rate_grace = 3s}); }
  void set(const config::Guards& guards) { codec.adopt(config::Limits{}, guards); }
  Watched look() { return http->watch(now += 1s); }
  // Output of which the client takes so many bytes.
  void take(uint32_t bytes) {
    if (!http->failed()) http->flush(1 << 20);
    while (bytes > 0 && !output.empty()) bytes -= output.pop(bytes).size();
  }
};

TEST_F(GuardTest, a_body_slower_than_min_rate_ends_the_connection) {
  hear(kUpload);
  Watched watched = Watched::kFine;
  int looks = 0;
  for (; looks < 10 && watched == Watched::kFine; ++looks) {
    hear("0123456789");
    watched = look();
  }
  EXPECT_EQ(watched, Watched::kFailed);
  EXPECT_EQ(looks, 4);  // behind by 90 bytes more at each look, and 300 are borne
  EXPECT_EQ(say().substr(0, 12), "HTTP/1.1 408");
  EXPECT_STREQ(http->guard(), "http1_body_rate");
  EXPECT_EQ(stats.guard_body_rate.get(), 1u);
  EXPECT_EQ(stats.guard_slow_body.get(), 0u);
}

TEST_F(GuardTest, a_body_at_min_rate_may_pause_and_catch_up) {
  hear(kUpload);
  for (int round = 0; round < 20; ++round) {
    hear(std::string(300, 'x'));
    for (int second = 0; second < 3; ++second) EXPECT_EQ(look(), Watched::kFine);
  }
}

TEST_F(GuardTest, a_body_that_was_fast_has_earned_no_more_than_the_grace) {
  hear(kUpload);
  hear(std::string(100'000, 'x'));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(look(), Watched::kFine);
  EXPECT_EQ(look(), Watched::kFailed);
}

// The client may wait for 100. The time that it has is stall_timeout.
TEST_F(GuardTest, a_body_that_has_not_begun_has_no_rate) {
  hear(kUpload);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(look(), Watched::kFine);
}

TEST_F(GuardTest, a_client_whose_body_is_not_taken_is_not_slow) {
  owner.takes = false;
  hear(kUpload);
  hear("0123456789");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(look(), Watched::kFine);
}

TEST_F(GuardTest, each_body_has_its_own_time) {
  answers = true;
  for (int i = 0; i < 20; ++i) {
    hear("POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 2\r\n\r\na");
    for (int second = 0; second < 2; ++second) EXPECT_EQ(look(), Watched::kFine);
    hear("b");
    say();
  }
}

TEST_F(GuardTest, without_min_rate_a_body_may_be_as_slow_as_it_likes) {
  set(config::Guards{.min_rate = 0});
  hear(kUpload);
  for (int i = 0; i < 200; ++i) {
    hear("x");
    EXPECT_EQ(look(), Watched::kFine);
  }
}

TEST_F(GuardTest, an_answer_that_is_read_more_slowly_than_min_rate_resets_the_connection) {
  hear(kRequest);
  http->send_headers(*owner.last, fields({{":status", "200"}, {"content-length", "10000"}}), false);
  for (int i = 1; i <= 10; ++i) send(*owner.last, std::string(1'000, 'x'), i == 10);
  Watched watched = Watched::kFine;
  int looks = 0;
  for (; looks < 10 && watched == Watched::kFine; ++looks) {
    take(10);
    watched = look();
  }
  EXPECT_EQ(watched, Watched::kGone);
  EXPECT_LE(looks, 6);
  EXPECT_STREQ(http->guard(), "http1_read_rate");
  EXPECT_EQ(stats.guard_read_rate.get(), 1u);
}

TEST_F(GuardTest, an_answer_of_a_few_bytes_a_second_that_are_taken_is_in_order) {
  hear(kRequest);
  http->send_headers(*owner.last, fields({{":status", "200"}}), false);
  for (int i = 0; i < 100; ++i) {
    send(*owner.last, "tick", false);
    EXPECT_EQ(look(), Watched::kFine);  // the piece is on its way
    say();
  }
}

TEST_F(GuardTest, both_ends_of_a_tunnel_may_be_slow) {
  hear(
      "GET / HTTP/1.1\r\nHost: v\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n");
  http->send_headers(*owner.last, fields({{":status", "200"}}), false);
  for (int i = 0; i < 10; ++i) send(*owner.last, std::string(1'000, 'x'), false);
  for (int i = 0; i < 60; ++i) {
    hear("x");
    take(1);
    EXPECT_EQ(look(), Watched::kFine);
  }
}

TEST_F(GuardTest, a_body_in_chunks_of_a_byte_ends_the_connection) {
  set(config::Guards{.tiny_data = {.burst = 100, .per_second = 10}});
  hear(kChunked);
  std::string body;
  for (int i = 0; i < 103; ++i) body += "1\r\nx\r\n";
  EXPECT_FALSE(hear(body));
  EXPECT_EQ(say().substr(0, 12), "HTTP/1.1 400");
  EXPECT_STREQ(http->guard(), "http1_tiny_chunks");
  EXPECT_EQ(stats.guard_tiny_chunks.get(), 1u);
}

TEST_F(GuardTest, time_large_chunks_and_requests_earn_tiny_chunks) {
  set(config::Guards{.tiny_data = {.burst = 100, .per_second = 10}});
  hear(kChunked);
  for (int i = 0; i < 1000; ++i)  // lines, each with its end in a chunk of its own
    ASSERT_TRUE(hear("10\r\n0123456789abcdef\r\n1\r\nx\r\n"));
  for (int second = 0; second < 20; ++second) {
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(hear("1\r\nx\r\n"));
    EXPECT_EQ(look(), Watched::kFine);
  }
  answers = true;
  hear("0\r\n\r\n");
  say();
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(hear(std::string(kChunked) + "2\r\nab\r\n0\r\n\r\n"));
    say();
  }
}

TEST_F(GuardTest, requests_that_begin_to_wait_are_counted) {
  hear(kRequest);
  EXPECT_EQ(stats.pipelined_waits.get(), 0u);
  for (int i = 0; i < 5; ++i) hear(kRequest);
  EXPECT_EQ(stats.pipelined_waits.get(), 1u);
}

TEST_F(GuardTest, a_silent_connection_a_silent_body_and_an_answer_that_nobody_takes_end) {
  set(config::Guards{.preface_timeout = 2s, .stall_timeout = 2s});
  EXPECT_EQ(look(), Watched::kFine);
  EXPECT_EQ(look(), Watched::kFailed);
  EXPECT_EQ(stats.guard_no_request.get(), 1u);
  EXPECT_STREQ(http->guard(), "http1_no_request");

  begin(true);
  hear(kUpload);
  EXPECT_EQ(look(), Watched::kFine);
  EXPECT_EQ(look(), Watched::kFailed);
  EXPECT_EQ(stats.guard_slow_body.get(), 1u);
  EXPECT_STREQ(http->guard(), "http1_slow_body");
  say();

  begin(true);
  hear(kRequest);
  http->send_headers(*owner.last, fields({{":status", "200"}}), true);
  EXPECT_EQ(look(), Watched::kFine);
  EXPECT_EQ(look(), Watched::kFine);
  EXPECT_EQ(look(), Watched::kGone);
  EXPECT_EQ(stats.guard_slow_read.get(), 1u);
  EXPECT_STREQ(http->guard(), "http1_slow_read");
}

}  // namespace
}  // namespace sluice::http1
