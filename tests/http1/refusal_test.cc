// Requests that two readers may frame differently, or that RFC 9112 forbids: 400, the end of the
// connection, and a counter. Nothing of them reaches the owner.

#include "fixture.h"

namespace sluice::http1 {
namespace {

using namespace std::string_literals;

struct Case {
  const char* name;
  std::string request;
  const char* answer = "400";
};

const std::string kPost = "POST / HTTP/1.1\r\nHost: v\r\n";

std::vector<Case> cases() {
  return {
      {"both_lengths", kPost + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"both_lengths_in_the_other_order",
       kPost + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"},
      {"two_lengths", kPost + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n"},
      {"two_equal_lengths", kPost + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"},
      {"a_list_of_lengths", kPost + "Content-Length: 3, 3\r\n\r\n"},
      {"a_length_with_a_sign", kPost + "Content-Length: +3\r\n\r\n"},
      {"a_negative_length", kPost + "Content-Length: -3\r\n\r\n"},
      {"a_hexadecimal_length", kPost + "Content-Length: 0x3\r\n\r\n"},
      {"a_length_with_a_blank", kPost + "Content-Length: 1 3\r\n\r\n"},
      {"an_empty_length", kPost + "Content-Length:\r\n\r\n"},
      {"a_huge_length", kPost + "Content-Length: 9223372036854775808\r\n\r\n"},
      {"a_length_beyond_64_bits", kPost + "Content-Length: 18446744073709551619\r\n\r\n"},
      {"the_coding_gzip", kPost + "Transfer-Encoding: gzip\r\n\r\n"},
      {"the_coding_xchunked", kPost + "Transfer-Encoding: xchunked\r\n\r\n"},
      {"chunked_and_identity", kPost + "Transfer-Encoding: chunked, identity\r\n\r\n"},
      {"gzip_and_chunked", kPost + "Transfer-Encoding: gzip, chunked\r\n\r\n"},
      {"chunked_in_quotes", kPost + "Transfer-Encoding: \"chunked\"\r\n\r\n"},
      {"chunked_with_a_vertical_tab", kPost + "Transfer-Encoding: \vchunked\r\n\r\n"},
      {"chunked_twice", kPost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"an_empty_coding", kPost + "Transfer-Encoding:\r\n\r\n"},
      {"a_coding_in_HTTP_1_0", "POST / HTTP/1.0\r\nHost: v\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"lines_that_end_in_LF", "GET / HTTP/1.1\nHost: v\n\n"},
      {"one_line_that_ends_in_LF", "GET / HTTP/1.1\r\nHost: v\n\r\n"},
      {"a_bare_CR_in_a_value", "GET / HTTP/1.1\r\nHost: v\r\nX: a\rb\r\n\r\n"},
      {"a_bare_CR_that_ends_a_line", "GET / HTTP/1.1\r\nHost: v\rX: y\r\n\r\n"},
      {"two_CRs", "GET / HTTP/1.1\r\nHost: v\r\r\n\r\n"},
      {"a_bare_CR_in_the_request_line", "GET /\r HTTP/1.1\r\nHost: v\r\n\r\n"},
      {"a_folded_field", "GET / HTTP/1.1\r\nHost: v\r\nX: a\r\n b\r\n\r\n"},
      {"a_folded_first_field", "GET / HTTP/1.1\r\n Host: v\r\n\r\n"},
      {"a_blank_before_the_colon", kPost + "Content-Length : 3\r\n\r\n"},
      {"a_tab_before_the_colon", kPost + "Transfer-Encoding\t: chunked\r\n\r\n"},
      {"a_field_without_a_colon", "GET / HTTP/1.1\r\nHost: v\r\nX\r\n\r\n"},
      {"a_field_without_a_name", "GET / HTTP/1.1\r\nHost: v\r\n: x\r\n\r\n"},
      {"a_name_with_a_slash", "GET / HTTP/1.1\r\nHost: v\r\nX/Y: x\r\n\r\n"},
      {"a_name_above_ASCII", "GET / HTTP/1.1\r\nHost: v\r\nX\xc3\xa4: x\r\n\r\n"},
      {"a_pseudo_header_field", "GET / HTTP/1.1\r\nHost: v\r\n:path: /x\r\n\r\n"},
      {"a_NUL_in_a_value", "GET / HTTP/1.1\r\nHost: v\r\nX: a\0b\r\n\r\n"s},
      {"a_NUL_in_a_name", "GET / HTTP/1.1\r\nHost: v\r\nX\0: b\r\n\r\n"s},
      {"a_control_byte_in_a_value", "GET / HTTP/1.1\r\nHost: v\r\nX: a\x01z\r\n\r\n"},
      {"a_DEL_in_a_value", "GET / HTTP/1.1\r\nHost: v\r\nX: a\x7fz\r\n\r\n"},
      {"two_Hosts", "GET / HTTP/1.1\r\nHost: v\r\nHost: v\r\n\r\n"},
      {"two_Hosts_in_HTTP_1_0", "GET / HTTP/1.0\r\nHost: v\r\nHost: w\r\n\r\n"},
      {"no_Host", "GET / HTTP/1.1\r\n\r\n"},
      {"no_Host_beside_the_absolute_form", "GET http://v/ HTTP/1.1\r\n\r\n"},
      {"a_Host_with_a_path", "GET / HTTP/1.1\r\nHost: v/x\r\n\r\n"},
      {"a_Host_with_a_user", "GET / HTTP/1.1\r\nHost: u@v\r\n\r\n"},
      {"a_Host_that_is_a_list", "GET / HTTP/1.1\r\nHost: v, w\r\n\r\n"},
      {"a_Host_whose_port_is_no_number", "GET / HTTP/1.1\r\nHost: v:x\r\n\r\n"},
      {"a_Host_with_a_negative_port", "GET / HTTP/1.1\r\nHost: v:-1\r\n\r\n"},
      {"a_Host_with_two_ports", "GET / HTTP/1.1\r\nHost: v:80:80\r\n\r\n"},
      {"a_Host_that_is_a_port", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"},
      {"a_Host_with_an_open_bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"},
      {"a_Host_with_bytes_behind_the_bracket", "GET / HTTP/1.1\r\nHost: [::1]v\r\n\r\n"},
      {"a_Host_with_a_stray_bracket", "GET / HTTP/1.1\r\nHost: a]b\r\n\r\n"},
      {"a_Host_with_a_name_in_brackets", "GET / HTTP/1.1\r\nHost: [v]\r\n\r\n"},
      {"a_Host_with_a_lone_percent_sign", "GET / HTTP/1.1\r\nHost: v%\r\n\r\n"},
      {"a_Host_with_half_a_percent_code", "GET / HTTP/1.1\r\nHost: v%2\r\n\r\n"},
      {"an_absolute_form_with_two_ports", "GET http://v:80:80/ HTTP/1.1\r\nHost: v\r\n\r\n"},
      {"an_absolute_form_whose_port_is_no_number", "GET http://v:x/ HTTP/1.1\r\nHost: v\r\n\r\n"},
      {"a_bad_Host_beside_the_absolute_form", "GET http://v/ HTTP/1.1\r\nHost: a b\r\n\r\n"},
      {"an_absolute_form_with_a_user", "GET http://u@v/ HTTP/1.1\r\nHost: v\r\n\r\n"},
      {"an_absolute_form_without_a_host", "GET http:///x HTTP/1.1\r\nHost: v\r\n\r\n"},
      {"another_scheme", "GET ftp://v/ HTTP/1.1\r\nHost: v\r\n\r\n"},
      {"a_target_without_a_slash", "GET x HTTP/1.1\r\nHost: v\r\n\r\n"},
      {"a_target_with_a_fragment", "GET /#x HTTP/1.1\r\nHost: v\r\n\r\n"},
      {"a_target_above_ASCII", "GET /\xc3\xa4 HTTP/1.1\r\nHost: v\r\n\r\n"},
      {"an_asterisk_for_GET", "GET * HTTP/1.1\r\nHost: v\r\n\r\n"},
      {"a_blank_too_many", "GET  / HTTP/1.1\r\nHost: v\r\n\r\n"},
      {"a_target_with_a_blank", "GET /a b HTTP/1.1\r\nHost: v\r\n\r\n"},
      {"a_tab_for_a_blank", "GET\t/\tHTTP/1.1\r\nHost: v\r\n\r\n"},
      {"a_blank_in_front", " GET / HTTP/1.1\r\nHost: v\r\n\r\n"},
      {"a_blank_behind_the_version", "GET / HTTP/1.1 \r\nHost: v\r\n\r\n"},
      {"no_version", "GET /\r\nHost: v\r\n\r\n"},
      {"a_version_in_lower_case", "GET / http/1.1\r\nHost: v\r\n\r\n"},
      {"a_long_version", "GET / HTTP/1.10\r\nHost: v\r\n\r\n"},
      {"a_method_with_a_slash", "G/T / HTTP/1.1\r\nHost: v\r\n\r\n"},
      {"a_TLS_hello", "\x16\x03\x01\x02\n"s},
      {"empty_lines_without_end", "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: v\r\n\r\n"},
      {"another_version", "GET / HTTP/2.0\r\nHost: v\r\n\r\n", "505"},
      {"CONNECT", "CONNECT v:443 HTTP/1.1\r\nHost: v:443\r\n\r\n", "501"},
      {"a_head_that_is_too_large",
       "GET / HTTP/1.1\r\nHost: v\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n", "431"},
      {"a_request_line_that_is_too_long", "GET /" + std::string(20'000, 'x'), "414"},
      {"too_many_fields",
       [] {
         std::string s = "GET / HTTP/1.1\r\nHost: v\r\n";
         for (int i = 0; i < 300; ++i) s += "X: y\r\n";
         return s + "\r\n";
       }(),
       "431"},
  };
}

class Refusal : public ServerTest, public testing::WithParamInterface<size_t> {};

TEST_P(Refusal, ends_the_connection_with_an_answer) {
  const Case c = cases()[GetParam()];
  EXPECT_FALSE(hear(c.request)) << c.name;
  EXPECT_TRUE(http->failed()) << c.name;
  EXPECT_TRUE(owner.log.empty()) << owner.log.front();
  const std::string said = say();
  EXPECT_EQ(said.substr(0, 13), std::string("HTTP/1.1 ") + c.answer + " ") << c.name;
  EXPECT_NE(said.find("connection: close\r\n"), std::string::npos) << c.name;
  EXPECT_EQ(stats.bad_requests.get(), std::string_view(c.answer) == "400" ? 1u : 0u) << c.name;
}

INSTANTIATE_TEST_SUITE_P(All, Refusal, testing::Range(size_t{0}, cases().size()),
                         [](const auto& p) { return std::string(cases()[p.param].name); });

// Bodies: the request has reached the owner, which hears that it ended.
struct BodyCase {
  const char* name;
  std::string body;
};
std::vector<BodyCase> bodies() {
  return {
      {"a_size_that_is_no_number", "x\r\nabc\r\n0\r\n\r\n"},
      {"a_size_with_a_sign", "+3\r\nabc\r\n0\r\n\r\n"},
      {"a_size_with_a_prefix", "0x3\r\nabc\r\n0\r\n\r\n"},
      {"a_size_behind_a_blank", " 3\r\nabc\r\n0\r\n\r\n"},
      {"a_size_in_front_of_a_blank_alone", "3 \r\nabc\r\n0\r\n\r\n"},
      {"a_huge_size", "1000000000000000\r\nabc"},
      {"a_size_of_many_zeros", "0000000000000003\r\nabc\r\n0\r\n\r\n"},
      {"no_size", "\r\nabc\r\n0\r\n\r\n"},
      {"a_size_line_that_ends_in_LF", "3\nabc\r\n0\r\n\r\n"},
      {"a_size_line_with_a_bare_CR", "3\rabc\r\n0\r\n\r\n"},
      {"a_chunk_longer_than_its_size", "3\r\nabcd\r\n0\r\n\r\n"},
      {"a_chunk_that_ends_in_LF", "3\r\nabc\n0\r\n\r\n"},
      {"an_LF_in_an_extension", "3;a\nb\r\nabc\r\n0\r\n\r\n"},
      {"an_LF_in_a_quoted_extension", "3;a=\"\n\"\r\nabc\r\n0\r\n\r\n"},
      {"a_CRLF_in_a_quoted_extension", "3;a=\"\r\n\"\r\nabc\r\n0\r\n\r\n"},
      {"a_long_extension", "3;" + std::string(5'000, 'x') + "\r\nabc\r\n0\r\n\r\n"},
      {"a_NUL_in_an_extension", "3;a\0\r\nabc\r\n0\r\n\r\n"s},
      {"a_trailer_that_ends_in_LF", "0\r\nX: y\n\r\n"},
      {"a_folded_trailer", "0\r\nX: y\r\n z\r\n\r\n"},
      {"a_coding_in_the_trailers", "0\r\nTransfer-Encoding: gzip\r\n\r\n"},
  };
}
class BadBody : public ServerTest, public testing::WithParamInterface<size_t> {};

TEST_P(BadBody, ends_the_request_and_the_connection) {
  const BodyCase c = bodies()[GetParam()];
  EXPECT_FALSE(hear(kPost + "Transfer-Encoding: chunked\r\n\r\n" + c.body)) << c.name;
  EXPECT_EQ(owner.log.back(), "reset: protocol error") << c.name;
  EXPECT_EQ(say().substr(0, 12), "HTTP/1.1 400") << c.name;
  EXPECT_EQ(stats.bad_requests.get(), 1u);
}

INSTANTIATE_TEST_SUITE_P(All, BadBody, testing::Range(size_t{0}, bodies().size()),
                         [](const auto& p) { return std::string(bodies()[p.param].name); });

TEST_F(ServerTest, a_request_behind_a_refused_one_is_not_read) {
  hear("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: v\r\n\r\n");
  EXPECT_TRUE(owner.log.empty());
  EXPECT_FALSE(hear("GET / HTTP/1.1\r\nHost: v\r\n\r\n"));
  EXPECT_TRUE(owner.log.empty());
}

TEST_F(ServerTest, one_empty_line_in_front_of_a_request_is_skipped) {
  answers = true;
  hear("\r\nGET / HTTP/1.1\r\nHost: v\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: v\r\n\r\n");
  say();
  EXPECT_EQ(stats.requests.get(), 2u);
}

}  // namespace
}  // namespace sluice::http1
