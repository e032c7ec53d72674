// Requests and answers on a connection to a pod.

#include "fixture.h"

namespace sluice::http1 {
namespace {

TEST_F(ClientTest, takes_a_request_at_once_and_one_at_a_time) {
  EXPECT_EQ(owner.room, 1);
  ASSERT_TRUE(http->can_open());
  ask();
  EXPECT_EQ(say(), "GET / HTTP/1.1\r\nhost: pod\r\n\r\n");
  EXPECT_FALSE(http->can_open());
  hear("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: Y\r\n\r\nok");
  EXPECT_EQ(owner.log, (std::vector<std::string>{"response :status=200 content-length=2 x=Y",
                                                 "body ok", "closed"}));
  EXPECT_TRUE(http->can_open());
  EXPECT_EQ(owner.room, 2);
}

TEST_F(ClientTest, a_body_without_a_length_is_chunked_and_may_have_trailers) {
  http::Stream* s = ask("POST", false);
  send(*s, "hello", false);
  http->send_headers(*s, fields({{"x-sum", "1"}}), true);
  EXPECT_EQ(say(),
            "POST / HTTP/1.1\r\nhost: pod\r\ntransfer-encoding: chunked\r\n\r\n"
            "5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n");
}

TEST_F(ClientTest, a_POST_without_a_body_says_so) {
  ask("POST");
  EXPECT_EQ(say(), "POST / HTTP/1.1\r\nhost: pod\r\ncontent-length: 0\r\n\r\n");
}

TEST_F(ClientTest, cookies_of_several_fields_are_one) {
  http->open(fields({{":method", "GET"},
                     {":authority", "pod"},
                     {":path", "/"},
                     {"cookie", "a=1"},
                     {"te", "trailers"},
                     {"cookie", "b=2"}}),
             true, &owner, 0);
  EXPECT_EQ(say(), "GET / HTTP/1.1\r\nhost: pod\r\ncookie: a=1; b=2\r\n\r\n");
}

// Servers refuse an empty Host. A client of HTTP/1.0 may send none, one of HTTP/2 an empty one.
TEST_F(ClientTest, a_request_that_names_no_host_has_the_pods_address_as_Host) {
  http->open(fields({{":method", "GET"}, {":path", "/"}}), true, &owner, 0);
  EXPECT_EQ(say(), "GET / HTTP/1.1\r\nhost: 198.18.1.101:80\r\n\r\n");
  hear("HTTP/1.1 204 No Content\r\n\r\n");
  http->open(fields({{":method", "GET"}, {":authority", ""}, {":path", "/"}}), true, &owner, 0);
  EXPECT_EQ(say(), "GET / HTTP/1.1\r\nhost: 198.18.1.101:80\r\n\r\n");
}

TEST_F(ClientTest, carries_only_a_host_in_which_all_readers_find_the_same) {
  const auto carried = [this](const char* authority) {
    return http->carries(fields({{":method", "GET"}, {":authority", authority}, {":path", "/"}}));
  };
  for (const char* good : {"", "a", "a:80", "[::1]:80", "::1", "2001:db8::1", "::ffff:1.2.3.4"})
    EXPECT_TRUE(carried(good)) << good;
  for (const char* bad : {"a:80:90", "[", "%zz", "b.lab:443:443", "::1:xyz", "::1:[",
                          "::1:evil.example", "1:2:3:4:5:6:7:8:beef"})
    EXPECT_FALSE(carried(bad)) << bad;
}

TEST_F(ClientTest, a_bare_address_of_IPv6_has_brackets_in_Host) {
  http->open(fields({{":method", "GET"}, {":authority", "::1"}, {":path", "/"}}), true, &owner, 0);
  EXPECT_EQ(say(), "GET / HTTP/1.1\r\nhost: [::1]\r\n\r\n");
}

TEST_F(ClientTest, bytes_above_0x7e_of_a_path_are_percent_encoded) {
  http->open(fields({{":method", "GET"}, {":authority", "pod"}, {":path", "/a\x85\xff?b~"}}), true,
             &owner, 0);
  EXPECT_EQ(say(), "GET /a%85%FF?b~ HTTP/1.1\r\nhost: pod\r\n\r\n");
}

TEST_F(ClientTest, reads_chunks_and_trailers) {
  ask();
  hear("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n", 3);
  EXPECT_EQ(owner.body, "ok");
  EXPECT_TRUE(owner.has("trailers x=y end"));
  EXPECT_TRUE(http->can_open());
}

TEST_F(ClientTest, a_length_that_says_nothing_is_dropped) {
  ask();
  hear(
      "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\nLink: </a>\r\n\r\n"
      "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(owner.log.at(0), "informational :status=103 link=</a>");
  EXPECT_EQ(owner.log.at(1), "response :status=204 end");
  EXPECT_TRUE(http->can_open());
}

TEST_F(ClientTest, answers_to_HEAD_and_of_204_and_304_have_no_body) {
  ask("HEAD");
  hear("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n");
  EXPECT_TRUE(http->can_open());
  ask();
  hear("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE(http->can_open());
  ask();
  hear("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n");
  EXPECT_TRUE(http->can_open());
}

TEST_F(ClientTest, informational_answers_come_before_the_final_one) {
  ask();
  hear(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103\r\nLink: x\r\n\r\nHTTP/1.1 200\r\n"
      "Content-Length: 0\r\n\r\n");
  EXPECT_EQ(owner.log.at(0), "informational :status=100");
  EXPECT_EQ(owner.log.at(1), "informational :status=103 link=x");
  EXPECT_EQ(owner.log.at(2), "response :status=200 content-length=0 end");
}

TEST_F(ClientTest, the_end_of_the_connection_ends_a_body_without_a_length) {
  ask();
  hear("HTTP/1.0 200 OK\r\n\r\nhello");
  http->end_of_input();
  EXPECT_TRUE(owner.has("body hello"));
  EXPECT_TRUE(owner.has("closed"));
  EXPECT_EQ(http->ending(), Ending::kClose);
}

TEST_F(ClientTest, the_end_of_the_connection_within_a_body_with_a_length_ends_nothing) {
  ask();
  hear("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello");
  http->end_of_input();
  EXPECT_EQ(http->open_streams(), 1u);  // for the owner to lose
  EXPECT_FALSE(owner.has("closed"));
}

TEST_F(ClientTest, a_pod_that_closes_or_speaks_HTTP_1_0_is_not_asked_again_here) {
  ask();
  hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  EXPECT_FALSE(http->can_open());
  EXPECT_EQ(http->ending(), Ending::kClose);
}

TEST_F(ClientTest, an_answer_before_the_end_of_the_request_ends_the_connection) {
  http::Stream* s = ask("POST", false);
  send(*s, "hello", false);
  hear("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(owner.log.back(), "reset: no error, peer");
  EXPECT_EQ(http->ending(), Ending::kAbort);
  EXPECT_EQ(stats.early_answers.get(), 1u);
}

TEST_F(ClientTest, a_cancelled_request_ends_the_connection) {
  http::Stream* s = ask();
  http->reset(*s, EndReason::kCancelled);
  EXPECT_EQ(http->ending(), Ending::kAbort);
  EXPECT_FALSE(http->can_open());
}

TEST_F(ClientTest, bytes_that_no_request_asked_for_end_the_connection) {
  EXPECT_FALSE(hear("HTTP/1.1 408 Request Timeout\r\n\r\n"));
  EXPECT_EQ(stats.unasked_bytes.get(), 1u);
}

TEST_F(ClientTest, an_answer_of_a_pod_that_does_not_have_the_request_yet_is_no_answer) {
  wire.prompt = false;
  ask();
  EXPECT_FALSE(hear("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"));
  EXPECT_EQ(stats.unasked_bytes.get(), 1u);
  EXPECT_FALSE(owner.has("response :status=200 content-length=5"));
}

TEST_F(ClientTest, a_first_request_is_stale_when_the_pod_spoke_before_it_had_the_request) {
  wire.prompt = false;
  http::Stream* s = ask();
  EXPECT_FALSE(http->stale(*s, false));
  EXPECT_FALSE(hear("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_TRUE(http->stale(*s, false));
}

TEST_F(ClientTest, behind_an_answer_instead_of_100_the_connection_is_not_kept) {
  const auto asked = [this](bool with_100, const char* expect) {
    begin(false);
    http::Stream* s = http->open(fields({{":method", "POST"},
                                         {":authority", "pod"},
                                         {":path", "/"},
                                         {"content-length", "2"},
                                         {expect, "100-continue"}}),
                                 false, &owner, 0);
    if (with_100) hear("HTTP/1.1 100 Continue\r\n\r\n");
    send(*s, "hi", true);
    say();
    hear("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_EQ(owner.log.back(), "closed");
    EXPECT_EQ(http->ending(), http->can_open() ? Ending::kNo : Ending::kClose);
    return http->can_open();
  };
  EXPECT_FALSE(asked(false, "expect"));
  EXPECT_TRUE(asked(true, "expect"));
  EXPECT_TRUE(asked(false, "x-expect"));
}

TEST_F(ClientTest, a_426_keeps_its_Upgrade_and_no_other_answer_does) {
  for (const std::string status : {"426", "400", "200"}) {
    ask();
    hear("HTTP/1.1 " + status +
         " X\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(owner.has("response :status=" + status + " content-length=0" +
                        (status == "426" ? " upgrade=websocket end" : " end")),
              true)
        << owner.log.at(owner.log.size() - 2);
  }
}

TEST_F(ClientTest, HTTP2_Settings_of_a_client_go_no_further) {
  http->open(fields({{":method", "GET"},
                     {":authority", "pod"},
                     {":path", "/"},
                     {"http2-settings", "AAMAAABkAAQAAP__"}}),
             true, &owner, 0);
  EXPECT_EQ(say(), "GET / HTTP/1.1\r\nhost: pod\r\n\r\n");
}

TEST_F(ClientTest, a_body_where_none_may_be_ends_the_connection) {
  ask("HEAD");
  hear("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_TRUE(owner.has("closed"));
  EXPECT_TRUE(http->failed());
  EXPECT_EQ(stats.unasked_bytes.get(), 1u);
}

TEST_F(ClientTest, a_request_is_stale_when_it_was_not_the_first_and_nothing_of_its_answer_came) {
  http::Stream* s = ask();
  EXPECT_FALSE(http->stale(*s, false));
  hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  s = ask();
  EXPECT_TRUE(http->stale(*s, false));
  hear("H");
  EXPECT_FALSE(http->stale(*s, false));
}

TEST_F(ClientTest,
       a_first_request_is_stale_when_the_connection_was_idle_and_nothing_of_its_answer_came) {
  http::Stream* s = ask();
  EXPECT_TRUE(http->stale(*s, true));
  hear("H");
  EXPECT_FALSE(http->stale(*s, true));
}

TEST_F(ClientTest, a_blank_in_front_of_a_colon_is_removed) {
  ask();
  EXPECT_TRUE(hear("HTTP/1.1 200 OK\r\nContent-Length : 2\r\nX \t: y\r\n\r\nok"));
  EXPECT_TRUE(http->can_open());
  EXPECT_EQ(stats.broken_answers.get(), 0u);
}

TEST_F(ClientTest, several_lines_that_say_chunked_are_one) {
  ask();
  EXPECT_TRUE(
      hear("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
           "2\r\nok\r\n0\r\n\r\n"));
  EXPECT_TRUE(http->can_open());
  EXPECT_EQ(stats.broken_answers.get(), 0u);
}

TEST_F(ClientTest, the_size_of_a_chunk_may_be_padded) {
  ask();
  EXPECT_TRUE(hear("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n000000000000000a\r\n" +
                       std::string("0123456789\r\n") + std::string(63, '0') + "2;a=b\r\nok\r\n",
                   1));
  // More blanks than all extensions of a body may have.
  for (int i = 0; i < 1'000; ++i) EXPECT_TRUE(hear("1 \t   \r\n.\r\n"));
  EXPECT_TRUE(hear(std::string(64, '0') + "\r\n\r\n"));
  EXPECT_TRUE(owner.has("body 0123456789ok" + std::string(1'000, '.')));
  EXPECT_TRUE(http->can_open());
  EXPECT_EQ(stats.broken_answers.get(), 0u);
}

class BadAnswer : public ClientTest, public testing::WithParamInterface<const char*> {};

TEST_P(BadAnswer, ends_the_stream_and_the_connection) {
  ask();
  EXPECT_FALSE(hear(GetParam()));
  EXPECT_EQ(owner.log.back(), "reset: protocol error");
  EXPECT_FALSE(http->can_open());
  EXPECT_EQ(stats.broken_answers.get(), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadAnswer,
    testing::Values(
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length 1\r\n\r\n", "HTTP/1.1 200 OK\r\nA b: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\nContent-Length: 1\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/2 200\r\n\r\n",
        "ICY 200 OK\r\n\r\n", "\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        // 64-bit sizes, and a size of more digits than may be
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0001000000000000000\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "00000000000000000000000000000000000000000000000000000000000000000\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "1                                                                \r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 1\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 1\r\n"));

}  // namespace
}  // namespace sluice::http1
