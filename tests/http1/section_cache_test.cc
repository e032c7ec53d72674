// Sections that were parsed before are heard as if they were parsed again.

#include "http1/section_cache.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "http1/fixture.h"

namespace sluice::http1 {
namespace {

class KnownSections : public Http1Test {
 protected:
  std::vector<std::string> heard(std::string_view bytes, bool server) {
    owner.log.clear();
    begin(server);
    if (!server) {
      wire.prompt = true;
      http->open(
          fields({{":method", "GET"}, {":scheme", "http"}, {":authority", "pod"}, {":path", "/"}}),
          true, &owner, 0);
    }
    hear(bytes);
    say();
    return owner.log;
  }
};

constexpr std::string_view kMessages[] = {
    "GET / HTTP/1.1\r\nHost: v\r\nUser-Agent: one\r\nAccept: */*\r\n\r\n",
    "GET / HTTP/1.0\r\nHost: v\r\nUser-Agent: one\r\nAccept: */*\r\n\r\n",
    "GET /with/a/path?query HTTP/1.1\r\nHost: v\r\nUser-Agent: one\r\nAccept: */*\r\n\r\n",
    "GET http://other/ HTTP/1.1\r\nHost: v\r\nUser-Agent: one\r\nAccept: */*\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: v\r\nUser-Agent: one\r\nAccept: */*\r\n\r\n",
    "GET * HTTP/1.1\r\nHost: v\r\nUser-Agent: one\r\nAccept: */*\r\n\r\n",
    "CONNECT v:443 HTTP/1.1\r\nHost: v\r\nUser-Agent: one\r\nAccept: */*\r\n\r\n",
    "GE(T / HTTP/1.1\r\nHost: v\r\nUser-Agent: one\r\nAccept: */*\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: v\r\nContent-Length: 0004\r\nX-A: b\r\n\r\nbody",
    "POST / HTTP/1.0\r\nHost: v\r\nContent-Length: 0004\r\nX-A: b\r\n\r\nbody",
    "POST / HTTP/1.1\r\nHost: v\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
    "POST / HTTP/1.0\r\nHost: v\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
    "POST / HTTP/1.1\r\nHost: v\r\nTE: trailers\r\nTransfer-Encoding: "
    "chunked\r\n\r\n4\r\nbody\r\n0\r\n"
    "X-T: t\r\n\r\n",
    "POST / HTTP/1.0\r\nHost: v\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: v\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: v\r\nConnection: keep-alive\r\nCookie: a=b\r\nCookie: c\r\n\r\n",
    "GET / HTTP/1.0\r\nHost: v\r\nConnection: keep-alive\r\nCookie: a=b\r\nCookie: c\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: v\r\nHost: w\r\nUser-Agent: one\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: v/w\r\nUser-Agent: one\r\n\r\n",
    "GET / HTTP/1.1\r\nHost:\r\nUser-Agent: one\r\nEmpty:\r\nTab: \ta\tb\t\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: v\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: v\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "HTTP/1.1 200 OK\r\nServer: pod\r\nContent-Length: 4\r\n\r\nbody",
    "HTTP/1.0 200 OK\r\nServer: pod\r\nContent-Length: 4\r\n\r\nbody",
    "HTTP/1.1 204 No Content\r\nServer: pod\r\nContent-Length: 4\r\n\r\n",
    "HTTP/1.1 103 Early\r\nServer: pod\r\nContent-Length: 4\r\n\r\n",
    "HTTP/1.1 101 Up\r\nServer: pod\r\nContent-Length: 4\r\n\r\n",
    "HTTP/1.1 099 Low\r\nServer: pod\r\nContent-Length: 4\r\n\r\n",
    "HTTP/1.1 200 OK\r\nHost: pod\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n"
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: "
    "0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nServer : pod\r\nContent-Length: 0\r\n\r\n",
};

// All of them, so that each has the others' sections known.
TEST_F(KnownSections, are_heard_as_at_the_first_time) {
  std::vector<std::vector<std::string>> first;
  for (const std::string_view m : kMessages) first.push_back(heard(m, !m.starts_with("HTTP")));
  for (int round = 0; round < 10; ++round)
    for (size_t i = 0; i < std::size(kMessages); ++i)
      EXPECT_EQ(heard(kMessages[i], !kMessages[i].starts_with("HTTP")), first[i]) << kMessages[i];
}

TEST_F(KnownSections, are_refused_where_the_limit_of_fields_has_become_smaller) {
  const std::string_view request = kMessages[0];
  for (int i = 0; i < 3; ++i) EXPECT_EQ(heard(request, true).size(), 1u);
  config::Guards guards;
  guards.header_fields = 2;
  codec.adopt({}, guards);
  EXPECT_TRUE(heard(request, true).empty());
  EXPECT_EQ(stats.guard_head_size.get(), 1u);
}

TEST(SectionCache, keeps_a_section_that_comes_a_second_time) {
  SectionCache cache(nullptr);
  FieldLines& lines = FieldLines::scratch();
  const std::string_view text = "Host: v\r\nAccept: */*\r\n\r\n";
  const auto learn = [&] {
    EXPECT_FALSE(lines.read(text, 100, 1));
    cache.learn(text, FieldLines::Of::kRequest, lines);
  };
  EXPECT_EQ(cache.find(text, FieldLines::Of::kRequest, 100), nullptr);
  learn();
  EXPECT_EQ(cache.find(text, FieldLines::Of::kRequest, 100), nullptr);
  learn();
  const KnownSection* known = cache.find(text, FieldLines::Of::kRequest, 100);
  ASSERT_NE(known, nullptr);
  EXPECT_EQ(known->facts.host, "v");
  ASSERT_EQ(known->fields.count(), 1u);
  EXPECT_EQ(known->fields[0].value, "*/*");
  EXPECT_EQ(cache.find(text, FieldLines::Of::kAnswer, 100), nullptr);
  EXPECT_EQ(cache.find(text, FieldLines::Of::kRequest, 1), nullptr);
  EXPECT_EQ(cache.find("Host: w\r\nAccept: */*\r\n\r\n", FieldLines::Of::kRequest, 100), nullptr);
}

TEST(SectionCache, asks_for_the_records_that_HPACK_has_made) {
  struct Refs final : http::FieldRefs {
    http::FieldRef find_ref(std::string_view name, std::string_view value) const override {
      if (name == "accept" && value == "*/*") return {100, 1};
      if (name == ":authority" && value == "v") return {200, 1};
      return {};
    }
  } refs;
  SectionCache cache(&refs);
  FieldLines& lines = FieldLines::scratch();
  const std::string_view text = "Host: v\r\nAccept: */*\r\nX-A: b\r\n\r\n";
  const KnownSection* known = nullptr;
  for (int i = 0; i < 10; ++i) {
    known = cache.find(text, FieldLines::Of::kRequest, 100);
    if (known != nullptr) continue;
    EXPECT_FALSE(lines.read(text, 100, 1));
    cache.learn(text, FieldLines::Of::kRequest, lines);
  }
  ASSERT_NE(known, nullptr);
  EXPECT_EQ(known->fields[0].ref.handle, 100u);
  EXPECT_EQ(known->fields[1].ref.handle, 0u);
  EXPECT_EQ(known->authority.handle, 200u);
}

}  // namespace
}  // namespace sluice::http1
