// Which messages are malformed (RFC 9113, 8.1 to 8.5), toward either side. A malformed message is a
// stream error of type PROTOCOL_ERROR.

#include "raw.h"

namespace sluice::http2 {
namespace {

constexpr auto kMalformed = ErrorCode::kProtocolError;

std::string answer(std::string_view status, bool end, const PlainPairs& more = {}) {
  return headers(1, end, with(list({{":status", status}}), more));
}

const FieldList kGet =
    list({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "pod"}});

std::string asks(const FieldList& fields) {
  return headers(1, true, fields);
}
std::string asks_with(const PlainPairs& more) {
  return asks(with(kGet, more));
}
// A GET whose pseudo-header field `name` is another, or none.
std::string asks_but(std::string_view name, std::optional<std::string_view> value) {
  FieldList f;
  for (const Field field : kGet)
    if (field.name != name) {
      f.add(field.name, field.value);
    } else if (value) {
      f.add(name, *value);
    }
  return asks(f);
}

// Field names and values (8.2.1, 8.2.2).

struct Request : RawClient {};

TEST_F(Request, has_names_of_lower_case_token_characters) {
  accepts(asks_with({{"x-!#$%&'*+.^_`|~09", "a"}}));
  for (const std::string& name :
       {std::string("X-Upper"), std::string("x y"), std::string("x:y"), std::string("x\x7f"),
        std::string("x\x80"), std::string("x\0", 2), std::string("x("), std::string()})
    resets(asks_with({{name, "a"}}), kMalformed);
}

TEST_F(Request, has_values_without_control_characters_but_tabs) {
  accepts(asks_with({{"x", ""},
                     {"x", "a b\tc"},
                     {"x", "\x80\xff\xa0\x9f"},
                     {"x", "tabs\t and\t\t\t\t\t\t\t\xff\xff\t bytes above ASCII\xff\xff"}}));
  for (const char c : std::string_view("\0\1\b\n\v\f\r\x1f\x7f", 9))
    for (const size_t at : {size_t{1}, size_t{9}, size_t{13}}) {
      std::string value = "a\tlong\xffvalue~ z";
      value[at] = c;
      resets(asks_with({{"x", value}}), kMalformed);
    }
  for (const std::string& value :
       {std::string("a\rb"), std::string("a\nb"), std::string("a\0b", 3),
        std::string("a long value with the end of a line\nin it"), std::string(" a\r"),
        std::string("\na "), std::string("a \0", 3)})
    resets(asks_with({{"x", value}}), kMalformed);
}

TEST_F(Request, loses_the_blanks_around_its_values) {
  accepts(asks_with({{"a", " a"},
                     {"b", "b "},
                     {"c", "\t c\t c \t"},
                     {"d", " \t "},
                     {"e", ""},
                     {"te", " trailers"},
                     {"content-length", "0\t"}}));
  EXPECT_TRUE(
      side->owner.log.back().ends_with(" a=a b=b c=c\t c d= e= te=trailers content-length=0 end"))
      << side->owner.log.back();
  resets(asks_with({{"te", " gzip "}}), kMalformed);
  resets(asks_with({{"content-length", " 1 2 "}}), kMalformed);
  // Pseudo-header fields have a grammar of their own, and names are no values.
  resets(headers(1, true, list({{":method", "GET "}, {":scheme", "http"}, {":path", "/"}})),
         kMalformed);
  resets(headers(1, true, list({{":method", "GET"}, {":scheme", "http"}, {":path", "/ "}})),
         kMalformed);
  resets(asks_with({{" x", "a"}}), kMalformed);
}

TEST_F(Request, has_no_connection_specific_fields) {
  for (const char* name :
       {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})
    resets(asks_with({{name, "x"}}), kMalformed);
}

TEST_F(Request, says_te_trailers_or_nothing) {
  accepts(asks_with({{"te", "trailers"}}));
  accepts(asks_with({{"te", "Trailers"}}));
  resets(asks_with({{"te", "gzip"}}), kMalformed);
  resets(asks_with({{"te", "trailers, gzip"}}), kMalformed);
  resets(asks_with({{"te", ""}}), kMalformed);
}

TEST_F(Request, keeps_the_crumbs_of_its_cookies) {
  accepts(asks_with({{"cookie", "a=b"}, {"cookie", "c=d"}}));
  EXPECT_EQ(side->owner.log.back(),
            "1 request :method=GET :scheme=http :path=/ :authority=pod cookie=a=b cookie=c=d end");
}

// Pseudo-header fields (8.3, 8.3.1).

TEST_F(Request, has_each_pseudo_header_field_once_and_in_front) {
  for (const Field f : kGet) resets(asks_with({{f.name, f.value}}), kMalformed);
  FieldList behind = list({{":method", "GET"}, {":scheme", "http"}, {"x", "y"}, {":path", "/"}});
  resets(asks(behind), kMalformed);
  FieldList twice = list({{":method", "GET"}, {":method", "GET"}, {":scheme", "http"}});
  resets(asks(with(twice, {{":path", "/"}})), kMalformed);
}

TEST_F(Request, needs_method_scheme_and_path) {
  for (const char* name : {":method", ":scheme", ":path"}) {
    resets(asks_but(name, std::nullopt), kMalformed);
    resets(asks_but(name, ""), kMalformed);
  }
  accepts(asks_but(":authority", std::nullopt));
}

TEST_F(Request, has_no_other_pseudo_header_fields) {
  for (const char* name : {":status", ":protocol", ":x", ":", ":Method"}) {
    FieldList f = list({{name, "200"}});
    for (const Field field : kGet) f.add(field.name, field.value);
    resets(asks(f), kMalformed);
  }
}

TEST_F(Request, has_a_path_that_is_absolute_or_the_asterisk_of_options) {
  accepts(asks_but(":path", "/a/b?c=d&e={}|\"\x80"));
  for (const char* bad : {"a", "?a", "http://pod/", "*", "/a b", "/a#b", "/\x7f", "/a\tb"})
    resets(asks_but(":path", bad), kMalformed);
  accepts(asks(list({{":method", "OPTIONS"}, {":scheme", "http"}, {":path", "*"}})));
  resets(asks(list({{":method", "OPTIONS"}, {":scheme", "http"}, {":path", "**"}})), kMalformed);
}

TEST_F(Request, has_a_method_that_is_a_token) {
  for (const char* good : {"get", "M-SEARCH", "X!"}) accepts(asks_but(":method", good));
  for (const char* bad : {"GET /admin HTTP/1.1", "GET\t", "G:T", "G\x80"})
    resets(asks_but(":method", bad), kMalformed);
}

TEST_F(Request, has_a_scheme_of_scheme_characters) {
  for (const char* good : {"https", "HTTP", "a+b-c.d"}) accepts(asks_but(":scheme", good));
  for (const char* bad : {"http://evil/", "ht tp", "http:"})
    resets(asks_but(":scheme", bad), kMalformed);
}

TEST_F(Request, has_an_authority_without_user) {
  for (const char* good : {"pod:80", "[::1]:80", "::1", "fd00:1::7:50051", "a_b.c", "xn--%C3%A4",
                           "[fe80::1%25eth0]", "pod:", "[v1.x]"})
    accepts(asks_but(":authority", good));
  for (const char* bad : {"user@pod", "pod/path", "pod evil", "pod?x"})
    resets(asks_but(":authority", bad), kMalformed);
}

// As Sluice reads Host in HTTP/1.1: a pod of HTTP/1.1 gets it from here.
TEST_F(Request, has_an_authority_in_which_any_reader_finds_the_same_host) {
  const FieldList no_authority = list({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}});
  for (const char* bad : {"pod:x", "pod:80:80", ":80", "[::1", "[::1]x", "[pod]", "[]", "a]b",
                          "pod%", "pod%zz", "pod%4", "pod, other", "pod/path", "user@pod"}) {
    resets(asks_but(":authority", bad), kMalformed);
    resets(asks(with(no_authority, {{"host", bad}})), kMalformed);
  }
  accepts(asks(with(no_authority, {{"host", "[::1]:80"}})));
}

// gRPC's clients name their target there (gRPC's naming.md): a list of addresses, or a named port.
TEST_F(Request, of_grpc_may_have_an_authority_that_is_a_target) {
  const auto call = [](std::string_view authority) {
    return list({{":method", "POST"},
                 {":scheme", "http"},
                 {":path", "/"},
                 {":authority", authority},
                 {"content-type", "application/grpc"}});
  };
  for (const char* good : {"10.0.0.1:50051,10.0.0.2:50051", "svc:grpc", "::1", "%2Frun%2Fa.sock"})
    accepts(asks(call(good)));
  for (const char* bad : {"user@pod", "pod/path", "pod evil"}) resets(asks(call(bad)), kMalformed);
}

TEST_F(Request, has_a_host_that_says_the_same_as_authority) {
  for (const char* same : {"pod", "POD", "pod:80", "pod:"}) accepts(asks_with({{"host", same}}));
  for (const char* other : {"evil", "pod:81", "pod:443", "", "pod.evil"})
    resets(asks_with({{"host", other}}), kMalformed);
  resets(asks_with({{"host", "pod"}, {"host", "pod"}}), kMalformed);
  const FieldList to_nobody =
      list({{":method", "GET"}, {":scheme", "http"}, {":authority", ""}, {":path", "/"}});
  resets(asks(with(to_nobody, {{"host", "other"}})), kMalformed);
  accepts(asks(with(to_nobody, {{"host", ""}})));
  accepts(
      asks(list({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {"host", "whatever"}})));
  accepts(asks(list({{":method", "GET"},
                     {":scheme", "https"},
                     {":authority", "pod:443"},
                     {":path", "/"},
                     {"host", "pod"}})));
}

// Content and trailers of requests (8.1, 8.1.1).

TEST_F(Request, has_one_content_length_that_is_a_number) {
  accepts(asks_with({{"content-length", "0"}}));
  for (const char* bad :
       {"", "-1", "+1", "1a", "0x1", "1, 1", "18446744073709551616", "9223372036854775808"})
    resets(headers(1, false, with(kGet, {{"content-length", bad}})), kMalformed);
  resets(asks_with({{"content-length", "0"}, {"content-length", "0"}}), kMalformed);
}

TEST_F(Request, has_as_much_content_as_it_announces) {
  const std::string begin = headers(1, false, with(kGet, {{"content-length", "3"}}));
  accepts(begin + data(1, "abc", true));
  accepts(begin + data(1, "ab") + data(1, "c") + headers(1, true, trailers()));
  accepts(begin + frame(FrameType::kData, kFlagPadded | kFlagEndStream, 1,
                        std::string("\x02"
                                    "abc"
                                    "\0\0",
                                    6)));
  resets(asks_with({{"content-length", "3"}}), kMalformed);
  resets(begin + data(1, "ab", true), kMalformed);
  resets(begin + data(1, "abcd"), kMalformed);
  resets(begin + headers(1, true, trailers()), kMalformed);
}

TEST_F(Request, ends_with_its_trailers) {
  accepts(headers(1) + data(1, "x") + headers(1, true, trailers()));
  EXPECT_EQ(side->owner.log.back(), "1 trailers grpc-status=0 end");
  resets(headers(1) + data(1, "x") + headers(1, false, trailers()), kMalformed);
}

TEST_F(Request, has_neither_pseudo_nor_connection_specific_fields_in_trailers) {
  for (const auto& bad : {std::pair{":path", "/"}, std::pair{":status", "200"},
                          std::pair{"connection", "close"}, std::pair{"Upper", "x"}})
    resets(headers(1) + headers(1, true, list({bad})), kMalformed);
}

// Answers: status, informational ones, trailers (8.1, 8.3.2, 8.6).

struct Answer : RawPod {};

TEST_F(Answer, has_one_status_of_three_digits) {
  for (const char* good : {"200", "404", "599", "999"}) accepts(answer(good, true));
  for (const char* bad : {"", "20", "2000", "2x0", "099", "-20", " 20", "+20"})
    resets(answer(bad, true), kMalformed);
  resets(headers(1, true, list({{"x", "y"}})), kMalformed);
  resets(answer("200", true, {{":status", "200"}}), kMalformed);
  resets(headers(1, true, list({{"x", "y"}, {":status", "200"}})), kMalformed);
  resets(headers(1, true, list({{":status", "200"}, {":path", "/"}})), kMalformed);
}

TEST_F(Answer, has_no_connection_specific_fields) {
  for (const char* name :
       {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})
    resets(answer("200", true, {{name, "x"}}), kMalformed);
  resets(answer("200", true, {{"Server", "x"}}), kMalformed);
}

TEST_F(Answer, loses_the_blanks_around_its_values) {
  accepts(answer("200", false, {{"x", " a "}}) +
          headers(1, true, list({{"grpc-status", "3"}, {"grpc-message", "bad request: "}})));
  EXPECT_EQ(side->owner.log[1], "1 response :status=200 x=a");
  EXPECT_EQ(side->owner.log[2], "1 trailers grpc-status=3 grpc-message=bad request: end");
}

TEST_F(Answer, may_be_preceded_by_informational_ones) {
  accepts(answer("100", false) + answer("103", false, {{"link", "x"}}) + answer("200", true));
  EXPECT_EQ(side->owner.log[1], "1 informational :status=100");
  EXPECT_EQ(side->owner.log[2], "1 informational :status=103 link=x");
  EXPECT_EQ(side->owner.log[3], "1 response :status=200 end");
}

TEST_F(Answer, that_is_informational_does_not_end_the_stream) {
  resets(answer("100", true), kMalformed);
  resets(answer("103", false) + data(1, "x"), kMalformed);
}

TEST_F(Answer, never_switches_protocols) {
  resets(answer("101", false), kMalformed);
}

TEST_F(Answer, begins_with_headers) {
  resets(data(1, "x"), kMalformed);
}

TEST_F(Answer, ends_with_its_trailers) {
  accepts(answer("200", false) + data(1, "x") + headers(1, true, trailers()));
  resets(answer("200", false) + headers(1, false, trailers()), kMalformed);
  resets(answer("200", false) + answer("200", true), kMalformed);
  resets(answer("200", false) + answer("100", false), kMalformed);
  for (const auto& bad : {std::pair{":status", "200"}, std::pair{"connection", "close"}})
    resets(answer("200", false) + headers(1, true, list({bad})), kMalformed);
}

// Content and content-length of answers (8.1.1).

TEST_F(Answer, to_head_may_announce_a_length_and_end_with_or_without_an_empty_data_frame) {
  asks("HEAD");
  accepts(answer("200", true, {{"content-length", "5"}}));
  accepts(answer("200", false, {{"content-length", "5"}}) + data(1, "", true));
  EXPECT_TRUE(side->owner.streams[1].ended);
}

TEST_F(Answer, of_204_and_304_may_announce_a_length_and_end_with_an_empty_data_frame) {
  for (const char* status : {"204", "304"}) {
    accepts(answer(status, true, {{"content-length", "5"}}));
    accepts(answer(status, false, {{"content-length", "5"}}) + data(1, "", true));
    accepts(answer(status, false) + headers(1, true, trailers()));
  }
}

TEST_F(Answer, to_head_and_of_204_and_304_has_no_content) {
  for (const char* status : {"204", "304"})
    resets(answer(status, false, {{"content-length", "1"}}) + data(1, "x", true), kMalformed);
  asks("HEAD");
  resets(answer("200", false, {{"content-length", "1"}}) + data(1, "x", true), kMalformed);
  resets(answer("200", false) + data(1, "x"), kMalformed);
}

TEST_F(Answer, that_ends_at_once_does_not_announce_content) {
  accepts(answer("200", true, {{"content-length", "0"}}));
  resets(answer("200", true, {{"content-length", "1"}}), kMalformed);
  resets(answer("404", true, {{"content-length", "1"}}), kMalformed);
}

TEST_F(Answer, has_as_much_content_as_it_announces) {
  const std::string begin = answer("200", false, {{"content-length", "3"}});
  accepts(begin + data(1, "abc", true));
  accepts(begin + data(1, "a") + data(1, "bc") + data(1, "", true));
  accepts(begin + data(1, "abc") + headers(1, true, trailers()));
  resets(begin + data(1, "ab", true), kMalformed);
  resets(begin + data(1, "abcd"), kMalformed);
  resets(begin + data(1, "ab") + data(1, "", true), kMalformed);
  resets(begin + data(1, "ab") + headers(1, true, trailers()), kMalformed);
}

TEST_F(Answer, to_connect_is_a_tunnel_that_no_length_limits) {
  first = list({{":method", "CONNECT"}, {":authority", "pod:1"}});
  restart(side->config);
  accepts(answer("200", false, {{"content-length", "1"}}) + data(1, "abc", true));
  resets(answer("404", false, {{"content-length", "1"}}) + data(1, "abc", true), kMalformed);
}

TEST(FieldList, shrinks_to_the_fields_that_it_has) {
  http::FieldList fields;
  fields.add(":path", "/chat");
  fields.add("user-agent", std::string(600, 'x'));
  const size_t before = fields.heap();
  fields.shrink();
  EXPECT_LT(fields.heap(), before);
  EXPECT_EQ(fields[0].value, "/chat");
  EXPECT_EQ(fields[1].value, std::string(600, 'x'));
  fields.add("cookie", "a=b");
  EXPECT_EQ(fields[2].name, "cookie");
  fields.clear();
  fields.shrink();
  EXPECT_EQ(fields.heap(), 0u);
}

}  // namespace
}  // namespace sluice::http2
