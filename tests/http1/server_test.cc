// Requests and answers on a client's connection.

#include "fixture.h"

namespace sluice::http1 {
namespace {

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: vip\r\n\r\n";
const std::string kOk = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

TEST_F(ServerTest, a_request_becomes_pseudo_header_fields_and_lower_case_names) {
  hear("GET /a?b HTTP/1.1\r\nHost: vip:80\r\nX-One:  two \r\n\r\n");
  EXPECT_EQ(owner.log.at(0),
            "request :method=GET :scheme=http :authority=vip:80 :path=/a?b x-one=two end");
}

TEST_F(ServerTest, a_request_in_slices_of_one_byte_is_the_same) {
  answers = true;
  hear(
      "POST /a HTTP/1.1\r\nHost: vip\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;x=\"y\"\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
      1);
  EXPECT_EQ(owner.log.at(0), "request :method=POST :scheme=http :authority=vip :path=/a");
  EXPECT_EQ(owner.log.at(1), "trailers x-sum=1 end");
  EXPECT_EQ(owner.body, "abc");
}

TEST_F(ServerTest, a_connection_is_kept_and_answers_one_request_after_the_other) {
  answers = true;
  for (int i = 0; i < 3; ++i) {
    hear(kGet);
    EXPECT_EQ(say(), kOk);
  }
  EXPECT_EQ(http->streams_begun(), 3u);
  EXPECT_EQ(http->ending(), Ending::kNo);
}

TEST_F(ServerTest, pipelined_requests_wait_and_are_answered_in_order) {
  hear(std::string(kGet) + "GET /b HTTP/1.1\r\nHost: vip\r\n\r\n");
  EXPECT_EQ(owner.log.size(), 1u);
  answer(*owner.last);
  EXPECT_EQ(say(), kOk);
  ASSERT_EQ(owner.log.size(), 3u);
  EXPECT_EQ(owner.log.at(2), "request :method=GET :scheme=http :authority=vip :path=/b end");
  answer(*owner.last);
  EXPECT_EQ(say(), kOk);
}

TEST_F(ServerTest, requests_that_wait_keep_the_receive_window_shut) {
  hear(kGet);
  EXPECT_EQ(wire.credited, kGet.size());
  for (int i = 0; i < 5; ++i) hear(kGet);
  EXPECT_EQ(wire.credited, kGet.size());
  answers = true;
  answer(*owner.last);
  say();
  EXPECT_EQ(wire.credited, 6 * kGet.size());
}

TEST_F(ServerTest, the_receive_window_opens_as_the_owner_takes_the_body) {
  owner.takes = false;
  const std::string head = "POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 10\r\n\r\n";
  hear(head + "01234");
  EXPECT_EQ(wire.credited, head.size());
  http->consumed(*owner.last, 5);
  EXPECT_EQ(wire.credited, head.size() + 5);
}

TEST_F(ServerTest, an_answer_without_a_length_is_chunked_and_may_have_trailers) {
  hear(kGet);
  http->send_headers(*owner.last, fields({{":status", "200"}}), false);
  send(*owner.last, "hello", false);
  http->send_headers(*owner.last, fields({{"grpc-status", "0"}}), true);
  EXPECT_EQ(say(),
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            "5\r\nhello\r\n0\r\ngrpc-status: 0\r\n\r\n");
  EXPECT_TRUE(owner.has("closed"));
}

TEST_F(ServerTest, an_answer_without_a_body_says_so) {
  hear(kGet);
  http->send_headers(*owner.last, fields({{":status", "404"}}), true);
  EXPECT_EQ(say(), "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
}

TEST_F(ServerTest, answers_to_HEAD_and_of_204_and_304_have_no_body) {
  hear("HEAD / HTTP/1.1\r\nHost: v\r\n\r\n");
  http->send_headers(*owner.last, fields({{":status", "200"}, {"content-length", "7"}}), true);
  EXPECT_EQ(say(), "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n");
  hear(kGet);
  http->send_headers(*owner.last, fields({{":status", "204"}, {"content-length", "0"}}), true);
  EXPECT_EQ(say(), "HTTP/1.1 204 No Content\r\n\r\n");
  hear("HEAD / HTTP/1.1\r\nHost: v\r\n\r\n");
  http->send_headers(*owner.last, fields({{":status", "204"}, {"content-length", "5"}}), true);
  EXPECT_EQ(say(), "HTTP/1.1 204 No Content\r\n\r\n");
  hear(kGet);
  http->send_headers(*owner.last, fields({{":status", "304"}, {"content-length", "9"}}), true);
  EXPECT_EQ(say(), "HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n");
  EXPECT_EQ(http->ending(), Ending::kNo);
}

TEST_F(ServerTest, Upgrade_of_a_426_is_named_by_Connection) {
  const FieldList head =
      fields({{":status", "426"}, {"content-length", "0"}, {"upgrade", "websocket"}});
  const std::string kHead =
      "HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\nupgrade: websocket\r\nconnection: ";
  hear(kGet);
  http->send_headers(*owner.last, head, true);
  EXPECT_EQ(say(), kHead + "upgrade\r\n\r\n");
  hear("GET / HTTP/1.1\r\nHost: v\r\nConnection: close\r\n\r\n");
  http->send_headers(*owner.last, head, true);
  EXPECT_EQ(say(), kHead + "upgrade, close\r\n\r\n");
}

TEST_F(ServerTest, informational_answers_are_passed_on_before_the_body_is_sent) {
  hear("PUT / HTTP/1.1\r\nHost: v\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_NE(owner.log.at(0).find("expect=100-continue"), std::string::npos);
  http->send_headers(*owner.last, fields({{":status", "100"}}), false);
  EXPECT_EQ(say(), "HTTP/1.1 100 Continue\r\n\r\n");
  answers = true;
  hear("hi");
  EXPECT_EQ(say(), kOk);
}

TEST_F(ServerTest, behind_an_answer_instead_of_100_the_connection_ends) {
  const std::string expect =
      "PUT / HTTP/1.1\r\nHost: v\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
  hear(expect);
  answer(*owner.last);
  EXPECT_EQ(say(), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
  // The next request of a client that kept the body back, and no body.
  hear(kGet);
  EXPECT_EQ(owner.body, "");
  EXPECT_EQ(http->ending(), Ending::kClose);
}

TEST_F(ServerTest, a_client_that_did_not_wait_for_100_keeps_its_connection) {
  hear("PUT / HTTP/1.1\r\nHost: v\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\na");
  answer(*owner.last);
  EXPECT_EQ(say(), kOk);
  hear("b");
  EXPECT_EQ(http->ending(), Ending::kNo);
}

TEST_F(ServerTest, HTTP_1_0_gets_no_informational_answer_no_chunks_and_the_end_of_the_connection) {
  hear("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(owner.log.at(0), "request :method=GET :scheme=http :path=/ end");
  http->send_headers(*owner.last, fields({{":status", "103"}}), false);
  http->send_headers(*owner.last, fields({{":status", "200"}}), false);
  send(*owner.last, "hello", true);
  EXPECT_EQ(say(), "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello");
  EXPECT_EQ(http->ending(), Ending::kClose);
}

TEST_F(ServerTest, HTTP_1_0_is_kept_when_it_asks_for_that) {
  answers = true;
  hear("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
  EXPECT_EQ(say(), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok");
  EXPECT_EQ(http->ending(), Ending::kNo);
}

TEST_F(ServerTest, Connection_close_ends_the_connection_behind_the_answer) {
  answers = true;
  hear("GET / HTTP/1.1\r\nHost: v\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(say(), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
  EXPECT_EQ(http->ending(), Ending::kClose);
}

TEST_F(ServerTest, the_absolute_form_beats_Host) {
  hear("GET http://real/a HTTP/1.1\r\nHost: other\r\n\r\n");
  EXPECT_EQ(owner.log.at(0), "request :method=GET :scheme=http :authority=real :path=/a end");
  answer(*owner.last);
  hear("OPTIONS http://real HTTP/1.1\r\nHost: real\r\n\r\n");
  EXPECT_EQ(owner.log.back(), "request :method=OPTIONS :scheme=http :authority=real :path=* end");
  answer(*owner.last);
  hear("GET http://real?x HTTP/1.1\r\nHost: real\r\n\r\n");
  EXPECT_EQ(owner.log.back(), "request :method=GET :scheme=http :authority=real :path=/?x end");
}

TEST_F(ServerTest, takes_hosts_of_all_forms) {
  for (const std::string host :
       {"v", "v:80", "v:", "[::1]", "[::1]:8080", "1.2.3.4:5", "a-b.c_d"}) {
    hear("GET /a HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
    EXPECT_EQ(owner.log.back(),
              "request :method=GET :scheme=http :authority=" + host + " :path=/a end");
    answer(*owner.last);
  }
}

TEST_F(ServerTest, a_length_is_passed_on_without_leading_zeros) {
  hear(kGet);
  http->send_headers(*owner.last, fields({{":status", "200"}, {"content-length", "0002"}}), false);
  send(*owner.last, "ok", true);
  EXPECT_EQ(say(), kOk);
}

TEST_F(ServerTest, fields_of_this_hop_go_no_further_and_Connection_cannot_name_what_others_need) {
  hear(
      "GET / HTTP/1.1\r\nX-Hop: 1\r\nHost: v\r\nConnection: x-hop, host, X-Forwarded-For\r\n"
      "Keep-Alive: 5\r\nTE: trailers, gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
      "X-Forwarded-For: 1.2.3.4\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(owner.log.at(0),
            "request :method=GET :scheme=http :authority=v :path=/ x-forwarded-for=1.2.3.4 "
            "content-length=0 te=trailers end");
}

TEST_F(ServerTest, a_whole_answer_before_the_end_of_the_request_ends_the_connection) {
  hear("POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 100\r\n\r\nabc");
  http->send_headers(*owner.last, fields({{":status", "413"}}), true);
  EXPECT_EQ(say(),
            "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  EXPECT_EQ(owner.log.back(), "reset: cancelled, peer");
  EXPECT_EQ(http->ending(), Ending::kClose);
}

TEST_F(ServerTest, a_request_that_goes_on_behind_its_answer_is_read_and_the_connection_is_kept) {
  hear("POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 6\r\n\r\nabc");
  answer(*owner.last);
  EXPECT_EQ(say(), kOk);
  hear("def");
  EXPECT_TRUE(owner.has("body abcdef"));
  EXPECT_TRUE(owner.has("closed"));
  EXPECT_EQ(http->ending(), Ending::kNo);
}

TEST_F(ServerTest, a_stream_that_is_reset_leaves_its_answer_visibly_cut) {
  hear(kGet);
  http->send_headers(*owner.last, fields({{":status", "200"}}), false);
  send(*owner.last, "half", false);
  http->reset(*owner.last, EndReason::kInternalError);
  EXPECT_EQ(say(), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  EXPECT_EQ(http->ending(), Ending::kClose);
  EXPECT_EQ(stats.answers_cut.get(), 1u);
}

TEST_F(ServerTest, an_answer_that_the_end_of_the_connection_would_end_is_cut_by_a_reset) {
  hear("GET / HTTP/1.0\r\n\r\n");
  http->send_headers(*owner.last, fields({{":status", "200"}}), false);
  send(*owner.last, "half", false);
  http->reset(*owner.last, EndReason::kInternalError);
  EXPECT_EQ(http->ending(), Ending::kAbort);
}

TEST_F(ServerTest, an_answer_shorter_than_its_length_is_cut) {
  hear(kGet);
  http->send_headers(*owner.last, fields({{":status", "200"}, {"content-length", "9"}}), false);
  send(*owner.last, "half", true);
  EXPECT_EQ(http->ending(), Ending::kClose);
  EXPECT_EQ(owner.log.back(), "reset: internal error");
}

TEST_F(ServerTest,
       an_answer_that_trailers_end_short_of_its_length_keeps_its_stream_until_the_flush) {
  hear("POST / HTTP/1.1\r\nHost: v\r\nTransfer-Encoding: chunked\r\n\r\n");
  http::Stream& s = *owner.last;
  http->send_headers(s, fields({{":status", "200"}, {"content-length", "9"}}), false);
  s.set_owner(nullptr);
  http->send_headers(s, fields({{"grpc-status", "4"}}), true);
  EXPECT_EQ(http->ending(), Ending::kNo);
  http->reset_after_output(s, EndReason::kNoError);
  say();
  EXPECT_EQ(http->ending(), Ending::kClose);
  EXPECT_EQ(stats.answers_cut.get(), 1u);
}

TEST_F(ServerTest, a_client_that_reads_no_answer_gets_no_more_of_them_than_there_is_room_for) {
  owner.on_head = [this](http::Stream& s, Handler::Section, bool) {
    http->send_headers(s, fields({{":status", "404"}, {"x-filler", std::string(900, 'x')}}), true);
  };
  const auto requests = [&] { return owner.log.size() / 2; };  // each with its end
  for (int i = 0; i < 100; ++i) hear(std::string(kGet) + std::string(kGet));
  EXPECT_GT(requests(), 60u);
  EXPECT_LT(requests(), 80u);
  const size_t before = requests();
  http->flush(0);
  EXPECT_EQ(requests(), before);
  say(2'000);  // room for three more
  EXPECT_EQ(requests(), before + 3);
  for (int i = 0; i < 50; ++i) say();
  EXPECT_EQ(requests(), 200u);
}

TEST_F(ServerTest, a_stream_that_is_reset_before_its_answer_becomes_502_and_one_refused_503) {
  hear(kGet);
  http->reset(*owner.last, EndReason::kInternalError);
  EXPECT_EQ(say(), "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
  owner.tie = false;
  hear(kGet);
  EXPECT_EQ(say(), "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
  EXPECT_EQ(http->ending(), Ending::kNo);
}

TEST_F(ServerTest, without_room_the_body_waits_and_the_owner_hears_of_it_when_it_leaves) {
  hear(kGet);
  http->flush(0);
  http->send_headers(*owner.last, fields({{":status", "200"}}), false);
  send(*owner.last, std::string(1000, 'x'), false);
  EXPECT_EQ(owner.sent, 0u);
  say(100);
  EXPECT_EQ(owner.sent, 100u);
  say();
  EXPECT_EQ(owner.sent, 1000u);
}

TEST_F(ServerTest, a_client_may_end_its_side_behind_a_whole_request) {
  hear(kGet);
  EXPECT_TRUE(http->end_of_input());
  answer(*owner.last);
  EXPECT_EQ(say(), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
  EXPECT_EQ(http->ending(), Ending::kClose);
}

TEST_F(ServerTest, a_client_that_ends_its_side_behind_two_requests_gets_both_answers) {
  answers = false;
  hear(std::string(kGet) + std::string(kGet));
  EXPECT_TRUE(http->end_of_input());
  answer(*owner.last);
  EXPECT_EQ(say(), kOk);
  EXPECT_EQ(http->ending(), Ending::kNo);
  answer(*owner.last);
  say();
  EXPECT_EQ(http->ending(), Ending::kClose);
}

TEST_F(ServerTest, requests_that_wait_for_room_in_front_of_the_clients_end_are_all_answered) {
  owner.on_head = [this](http::Stream& s, Handler::Section, bool) {
    http->send_headers(s, fields({{":status", "404"}, {"x-filler", std::string(900, 'x')}}), true);
  };
  http->flush(0);
  std::string requests;
  for (int i = 0; i < 20; ++i) requests += kGet;
  hear(requests.substr(0, requests.size() - 5), 300);
  hear(requests.substr(requests.size() - 5));
  EXPECT_TRUE(http->end_of_input());
  std::string heard;
  for (int i = 0; i < 40; ++i) heard += say(1'000);
  size_t answers = 0;
  for (size_t at = 0; (at = heard.find("HTTP/1.1 404", at)) != std::string::npos; ++at) ++answers;
  EXPECT_EQ(answers, 20u);
  EXPECT_EQ(http->ending(), Ending::kClose);
}

TEST_F(ServerTest, a_client_that_ends_its_side_within_a_request_is_gone) {
  hear("POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 6\r\n\r\nabc");
  EXPECT_FALSE(http->end_of_input());
}

TEST_F(ServerTest, a_client_that_ends_within_a_request_that_waited_is_gone_too) {
  hear(std::string(kGet) + "POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 6\r\n\r\nabc");
  EXPECT_TRUE(http->end_of_input());
  answer(*owner.last);
  say();
  EXPECT_EQ(owner.log.back(), "reset: cancelled, peer");
  EXPECT_EQ(http->ending(), Ending::kClose);
}

class HalfClosedTest : public ServerTest {
 protected:
  HalfClosedTest() { take({.half_closed_timeout = 4'500ms}); }
  void take(const http::Codec::ServerOptions& options) {
    http = codec.server(owner, wire, options);
    owner.connection = http.get();
    http->start();
  }
  void half_close(std::string_view requests = kGet) {
    hear(requests);
    EXPECT_TRUE(http->end_of_input());
    say();
    EXPECT_TRUE(http->wants_watch());
  }
  void look(int seconds) {
    for (int i = 0; i < seconds; ++i)
      ASSERT_EQ(http->watch(now += 1s), http::Connection::Watched::kFine);
  }
  bool cancelled() const { return owner.has("reset: cancelled"); }
};

TEST_F(HalfClosedTest, a_client_that_has_ended_its_side_waits_no_longer_for_a_silent_pod) {
  half_close();
  look(5);
  EXPECT_FALSE(cancelled());
  look(1);
  EXPECT_TRUE(cancelled());
  EXPECT_EQ(say(),
            "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
  EXPECT_EQ(http->ending(), Ending::kClose);
  EXPECT_EQ(stats.half_closed_cancels.get(), 1u);
}

TEST_F(HalfClosedTest, each_piece_of_an_answer_gives_the_whole_time_again) {
  half_close();
  look(5);
  http->send_headers(*owner.last, fields({{":status", "103"}}), false);
  say();
  look(5);
  http->send_headers(*owner.last, fields({{":status", "200"}}), false);
  say();
  for (int i = 0; i < 20; ++i) {
    look(5);
    send(*owner.last, "tick", false);
    say();
  }
  EXPECT_FALSE(cancelled());
  look(7);
  EXPECT_TRUE(cancelled());
  EXPECT_EQ(say(), "") << "no last chunk: the answer is visibly cut";
  EXPECT_EQ(http->ending(), Ending::kClose);
  EXPECT_EQ(stats.answers_cut.get(), 1u);
}

TEST_F(HalfClosedTest, an_answer_that_its_connection_would_end_is_cut_by_a_reset) {
  half_close("GET / HTTP/1.0\r\n\r\n");
  http->send_headers(*owner.last, fields({{":status", "200"}}), false);
  send(*owner.last, "part", false);
  say();
  look(7);
  EXPECT_TRUE(cancelled());
  EXPECT_EQ(http->ending(), Ending::kAbort);
}

TEST_F(HalfClosedTest, no_time_runs_while_the_client_has_something_to_take) {
  half_close();
  http->send_headers(*owner.last, fields({{":status", "200"}}), false);
  http->flush(1 << 20);
  look(100);
  EXPECT_FALSE(cancelled());
  say();
  look(6);
  EXPECT_TRUE(cancelled());
}

TEST_F(HalfClosedTest, a_request_that_waits_behind_the_cancelled_one_is_not_read) {
  half_close(std::string(kGet) + std::string(kGet));
  look(6);
  EXPECT_TRUE(cancelled());
  say();
  EXPECT_EQ(stats.requests.get(), 1u);
  EXPECT_EQ(http->ending(), Ending::kClose);
}

TEST_F(HalfClosedTest, each_answer_has_the_whole_time) {
  half_close(std::string(kGet) + std::string(kGet));
  look(4);
  answer(*owner.last);
  say();
  EXPECT_EQ(stats.requests.get(), 2u);
  look(5);
  EXPECT_FALSE(cancelled());
  answer(*owner.last);
  say();
  EXPECT_EQ(http->ending(), Ending::kClose);
  EXPECT_EQ(stats.half_closed_cancels.get(), 0u);
}

TEST_F(HalfClosedTest, a_client_that_has_not_ended_its_side_waits_as_long_as_it_likes) {
  hear(kGet);
  look(1'000);
  EXPECT_FALSE(cancelled());
}

TEST_F(HalfClosedTest, without_a_timeout_the_pod_may_be_silent_for_any_time) {
  take({});
  half_close();
  look(1'000);
  EXPECT_FALSE(cancelled());
}

TEST_F(ServerTest, a_drain_ends_the_connection_behind_the_next_answer) {
  answers = true;
  hear(kGet);
  say();
  EXPECT_FALSE(http->announce_drain(1));
  hear(kGet);
  EXPECT_EQ(say(), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
  EXPECT_EQ(http->ending(), Ending::kClose);
}

TEST_F(ServerTest, a_drain_within_an_answer_ends_the_connection_behind_the_next_one) {
  hear(kGet);
  http->send_headers(*owner.last, fields({{":status", "200"}, {"content-length", "2"}}), false);
  EXPECT_EQ(say(), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n");
  EXPECT_FALSE(http->announce_drain(1));
  EXPECT_TRUE(http->announces_later());
  send(*owner.last, "ok", true);
  EXPECT_EQ(say(), "ok");
  EXPECT_FALSE(http->announces_later());
  EXPECT_EQ(http->ending(), Ending::kNo) << "the client's next request may be on its way";
  hear(kGet);
  answer(*owner.last);
  EXPECT_EQ(say(), "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
  EXPECT_EQ(http->ending(), Ending::kClose);
}

TEST_F(ServerTest, a_head_that_does_not_come_in_time_is_answered_with_408) {
  hear(kGet);
  answer(*owner.last);
  say();
  hear("GET / HT");
  auto watched = http::Connection::Watched::kFine;
  for (int i = 0; i < 10; ++i) watched = http->watch(now += 1s);
  EXPECT_EQ(watched, http::Connection::Watched::kFailed);
  EXPECT_EQ(say().substr(0, 12), "HTTP/1.1 408");
  EXPECT_EQ(stats.guard_slow_head.get(), 1u);
}

TEST_F(ServerTest, a_first_head_that_has_begun_has_as_long_as_any_other) {
  codec.adopt(config::Limits{}, config::Guards{.preface_timeout = 3s, .headers_timeout = 20s});
  hear("GET / HTTP/1.1\r\n");
  int looks = 0;
  auto watched = http::Connection::Watched::kFine;
  for (; looks < 30 && watched == http::Connection::Watched::kFine; ++looks) {
    if (looks < 15) hear("X: y\r\n");
    watched = http->watch(now += 1s);
  }
  EXPECT_EQ(looks, 20);
  EXPECT_EQ(watched, http::Connection::Watched::kFailed);
  EXPECT_EQ(say().substr(0, 12), "HTTP/1.1 408");
  EXPECT_STREQ(http->guard(), "http1_slow_head");
  EXPECT_EQ(stats.guard_slow_head.get(), 1u);
  EXPECT_EQ(stats.guard_no_request.get(), 0u);
}

}  // namespace
}  // namespace sluice::http1
