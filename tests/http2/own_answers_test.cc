// Requests that a connection answers by itself: too large (RFC 9113, 10.5.1), CONNECT (8.5; RFC
// 8441). The owner never hears of them.

#include "raw.h"

namespace sluice::http2 {
namespace {

using enum FrameType;

FieldList large(FieldList f) {
  for (int i = 0; i < 45; ++i) f.add("x-" + std::to_string(i), std::string(350, 'x'));
  return f;
}

struct OwnAnswer : RawClient {
  // HEADERS that end the stream, with these fields.
  void expect_answer(const Frame& f, const std::string& fields) {
    EXPECT_EQ(f.head.type, kHeaders);
    EXPECT_EQ(f.head.flags, kFlagEndHeaders | kFlagEndStream);
    EXPECT_EQ(decoder.text(f.payload), fields);
  }
  BlockReader decoder;
};

TEST_F(OwnAnswer, to_fields_over_the_limit_is_431) {
  const auto said = after(headers(1, true, large(request())));
  ASSERT_EQ(said.size(), 1u);
  expect_answer(said[0], ":status=431 content-length=0");
  EXPECT_EQ(side->stats.header_list_too_big.get(), 1u);
  EXPECT_TRUE(side->owner.streams.empty());
  EXPECT_EQ(side->streams.live(), 0u);
}

TEST_F(OwnAnswer, to_a_grpc_client_is_resource_exhausted) {
  const auto said =
      after(headers(1, true, large(with(request(), {{"content-type", "application/grpc+proto"}}))));
  ASSERT_EQ(said.size(), 1u);
  expect_answer(said[0],
                ":status=200 content-type=application/grpc grpc-status=8 "
                "grpc-message=metadata larger than the load balancer takes");
}

TEST_F(OwnAnswer, tells_a_client_that_goes_on_to_stop) {
  const auto said = after(headers(1, false, large(request())) + data(1, "x") +
                          headers(1, true, trailers()) + headers(3, true));
  ASSERT_EQ(said.size(), 2u);
  expect_answer(said[0], ":status=431 content-length=0");
  EXPECT_EQ(said[1].head.type, kRstStream);
  EXPECT_EQ(static_cast<ErrorCode>(said[1].number()), ErrorCode::kNoError);
  EXPECT_EQ(side->owner.log.back(),
            "3 request :method=POST :scheme=http :authority=pod :path=/ end");
}

TEST_F(OwnAnswer, counts_as_a_stream_that_the_client_made_pointless) {
  Config c;
  guards.provoked_resets.burst = 3;
  restart(c);
  std::string flood;
  for (uint32_t id = 1; id <= 7; id += 2) flood += headers(id, true, large(request()));
  EXPECT_FALSE(side->hear(flood));
  EXPECT_EQ(side->http2.error(), ErrorCode::kEnhanceYourCalm);
}

TEST_F(OwnAnswer, waits_for_room_and_then_the_stream_is_over) {
  side->http2.flush(0);
  side->hear(headers(1, false, large(request())));
  EXPECT_EQ(side->streams.live(), 1u);
  const auto said = frames(side->say());
  ASSERT_EQ(said.size(), 2u);
  expect_answer(said[0], ":status=431 content-length=0");
  EXPECT_EQ(side->streams.live(), 0u);
}

TEST_F(OwnAnswer, is_refused_beyond_the_limit_of_streams) {
  Config c;
  c.max_concurrent_streams = 1;
  restart(c);
  const auto said = after(headers(1) + headers(3, true, large(request())));
  ASSERT_EQ(said.size(), 1u);
  EXPECT_EQ(static_cast<ErrorCode>(said[0].number()), ErrorCode::kRefusedStream);
}

TEST_F(OwnAnswer, is_too_late_for_trailers_over_the_limit) {
  resets(headers(1) + headers(1, true, large(trailers())), ErrorCode::kEnhanceYourCalm);
  EXPECT_EQ(side->owner.streams[1].code, ErrorCode::kEnhanceYourCalm);
}

struct LargeAnswer : RawPod {};

TEST_F(LargeAnswer, of_a_pod_costs_only_its_stream) {
  resets(headers(1, true, large(response())), ErrorCode::kEnhanceYourCalm);
  resets(headers(1, false, response()) + headers(1, true, large(trailers())),
         ErrorCode::kEnhanceYourCalm);
}

const FieldList kConnect = list({{":method", "CONNECT"}, {":authority", "db:5432"}});
const FieldList kExtendedConnect = list({{":method", "CONNECT"},
                                         {":protocol", "websocket"},
                                         {":scheme", "http"},
                                         {":path", "/chat"},
                                         {":authority", "pod"}});

TEST_F(OwnAnswer, to_connect_is_501) {
  const auto said = after(headers(1, false, kConnect) + data(1, "x"));
  ASSERT_EQ(said.size(), 2u);
  expect_answer(said[0], ":status=501 content-length=0");
  EXPECT_EQ(static_cast<ErrorCode>(said[1].number()), ErrorCode::kNoError);
  EXPECT_EQ(side->stats.connects_refused.get(), 1u);
  EXPECT_TRUE(side->owner.streams.empty());
}

TEST_F(OwnAnswer, extended_connect_that_was_not_offered_is_malformed) {
  resets(headers(1, false, kExtendedConnect), ErrorCode::kProtocolError);
}

struct PassedConnect : OwnAnswer {
  PassedConnect() {
    Config c;
    c.pass_connect = true;
    restart(c);
  }
};

TEST_F(PassedConnect, is_offered_in_settings) {
  for (const bool pass : {false, true}) {
    Config c;
    c.pass_connect = pass;
    Side fresh(Role::kServer, buffers, c);
    fresh.hear(kHello);
    const std::string offer = setting(Setting::kEnableConnectProtocol, 1);
    EXPECT_EQ(frames(fresh.say()).front().payload.find(offer) != std::string::npos, pass);
  }
}

TEST_F(PassedConnect, reaches_the_owner_plain_and_extended) {
  accepts(headers(1, false, kConnect) + data(1, "x", true));
  EXPECT_EQ(side->owner.log[1], "1 request :method=CONNECT :authority=db:5432");
  EXPECT_EQ(side->owner.streams[1].body, "x");
  accepts(headers(1, false, kExtendedConnect));
  EXPECT_EQ(side->owner.log[1],
            "1 request :method=CONNECT :protocol=websocket :scheme=http :path=/chat "
            ":authority=pod");
}

TEST_F(PassedConnect, has_its_own_pseudo_header_fields) {
  const PlainPairs plain{{":method", "CONNECT"}, {":authority", "db:1"}};
  resets(headers(1, false, list({{":method", "CONNECT"}})), ErrorCode::kProtocolError);
  // RFC 9113, 8.5: a host and a port, which a Host may repeat.
  for (const char* bad : {"db", "db:", ":1", "db:x", "db:1:1"})
    resets(headers(1, false, list({{":method", "CONNECT"}, {":authority", bad}})),
           ErrorCode::kProtocolError);
  resets(headers(1, false, with(list(plain), {{"host", "other:1"}})), ErrorCode::kProtocolError);
  accepts(headers(1, false, with(list(plain), {{"host", "db:1"}})));
  for (const auto& more : {std::pair{":scheme", "http"}, std::pair{":path", "/"}})
    resets(headers(1, false, with(list(plain), {more})), ErrorCode::kProtocolError);
  resets(headers(1, false, with(list(plain), {{":protocol", "websocket"}})),
         ErrorCode::kProtocolError);
  resets(headers(1, false,
                 list({{":method", "GET"},
                       {":protocol", "websocket"},
                       {":scheme", "http"},
                       {":path", "/"},
                       {":authority", "pod"}})),
         ErrorCode::kProtocolError);
}

FieldList extended(const char* protocol) {
  return list({{":method", "CONNECT"},
               {":protocol", protocol},
               {":scheme", "http"},
               {":path", "/chat"},
               {":authority", "pod"}});
}

TEST_F(PassedConnect, for_a_protocol_other_than_websocket_is_501) {
  uint32_t id = 1;
  for (const char* protocol : {"connect-udp", "webtransport", "websockets", "web", "x"}) {
    const auto said = after(headers(id, false, extended(protocol)));
    ASSERT_EQ(said.size(), 2u) << protocol;
    expect_answer(said[0], ":status=501 content-length=0");
    EXPECT_EQ(static_cast<ErrorCode>(said[1].number()), ErrorCode::kNoError);
    id += 2;
  }
  EXPECT_EQ(side->stats.connects_refused.get(), 5u);
  EXPECT_TRUE(side->owner.streams.empty());
}

TEST_F(PassedConnect, for_a_websocket_may_be_written_in_any_case) {
  accepts(headers(1, false, extended("WebSocket")));
  EXPECT_EQ(side->owner.streams.size(), 1u);
}

TEST_F(PassedConnect, has_no_trailers) {
  resets(headers(1, false, kConnect) + data(1, "x") + headers(1, true, trailers()),
         ErrorCode::kProtocolError);
}

struct Tunnel : RawPod {
  Tunnel() {
    first = kConnect;
    restart({});
  }
};

TEST_F(Tunnel, of_a_pod_has_no_trailers_but_a_refusal_may) {
  resets(headers(1, false, response()) + data(1, "x") + headers(1, true, trailers()),
         ErrorCode::kProtocolError);
  accepts(headers(1, false, list({{":status", "502"}})) + headers(1, true, trailers()));
}

}  // namespace
}  // namespace sluice::http2
