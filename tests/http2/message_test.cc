// Which messages are malformed (RFC 9113, 8.1 to 8.5), toward either side. A malformed message is a
// stream error of type PROTOCOL_ERROR.

#include "raw.h"

namespace sluice::http2 {
namespace {

constexpr auto kMalformed = ErrorCode::kProtocolError;

std::string answer(std::string_view status, bool end, const PlainPairs& more = {}) {
  return headers(1, end, with(list({{":status", status}}), more));
}

// Content and content-length of answers (8.1.1).

struct Answer : RawPod {};

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

}  // namespace
}  // namespace sluice::http2
