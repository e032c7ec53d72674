// http2::Connection over a stream that makes records: bytes leave, and are acknowledged, a record
// at a time.

#include "fixture.h"
#include "raw.h"
#include "support/loose_stream.h"
#include "support/record_stream.h"

namespace sluice::http2 {
namespace {

using test::LooseStream;
using test::RecordStream;

// A connection, its owner, and the two streams below it.
struct RecordSide final : transport::User {
  RecordSide(Role role, Buffers& b, uint32_t record_size, const Config& config = {})
      : buffers(b),
        wire(b.hold, record_size),
        http2(role, config, owner, wire, b.memory, stats, streams, hpack) {
    wire.set_lower(lower);
    wire.set_user(*this);
    owner.connection = &http2;
    http2.start();
  }

  // As the owner of a connection ends its turn.
  void flush() {
    http2.flush(wire.room());
    wire.push();
  }
  void send(Stream& s, std::string_view bytes, bool end) {
    http2.send_data(s, buffers.slice(bytes), end);
  }
  // Where its head lies, and whether the pod may have seen it.
  bool may_have_left(const Stream& s) const {
    return s.head_sent() && s.head_position() < wire.transmitted();
  }
  // Everything is acknowledged.
  bool silent() const { return wire.acknowledged() == wire.output().end(); }

  void on_established(transport::Stream&) override {}
  void on_data(transport::Stream& s, buf::Slice data) override {
    const uint32_t n = data.size();
    http2.receive(std::move(data), now);
    s.consumed(n);
  }
  void on_end_of_data(transport::Stream&, transport::End) override {}
  void on_writable(transport::Stream&) override {}
  void on_closed(transport::Stream&, transport::CloseReason) override {}

  Buffers& buffers;
  Owner owner;
  LooseStream lower;
  RecordStream wire;
  stats::Http2 stats;
  hpack::Shared hpack{stats};
  Slab<Stream> streams;
  Time now{std::chrono::hours(1)};
  Connection http2;
};

void talk(RecordSide& a, RecordSide& b, size_t chunk = 1400) {
  for (;;) {
    a.flush();
    const std::string there = a.lower.drain();
    b.lower.arrive(there, chunk, b.buffers.rx);
    b.flush();
    const std::string back = b.lower.drain();
    a.lower.arrive(back, chunk, a.buffers.rx);
    if (there.empty() && back.empty()) return;
  }
}

struct Records : testing::Test {
  // Both sides have each other's SETTINGS.
  void begin(uint32_t record_size = 16'384) {
    Config config;
    config.guards = &guards;
    client.emplace(Role::kClient, buffers, record_size);
    server.emplace(Role::kServer, buffers, record_size, config);
    talk(*client, *server);
  }
  // What the client puts on the wire; the test lets it arrive.
  void hear(const std::string& plain) {
    client->wire.output().append_copy(
        {reinterpret_cast<const uint8_t*>(plain.data()), plain.size()}, buffers.hold);
    client->wire.push();
    server->lower.arrive(client->lower.drain(), 1400, buffers.rx);
  }

  Buffers buffers{2047};
  config::Guards guards;
  std::optional<RecordSide> client;
  std::optional<RecordSide> server;
};

TEST_F(Records, calls_pass_however_large_records_are_and_however_they_are_split) {
  const std::string body(5'000, 'q');
  for (const uint32_t record_size : {1u, 10u, 999u, 16'384u}) {
    for (const size_t chunk : {1u, 2u, 7u, 100u, 1400u}) {
      begin(record_size);
      server->owner.data_hook = [&](Stream& s, buf::Slice data, bool end) {
        server->http2.consumed(s, data.size());
        if (!end) return;
        server->http2.send_headers(s, response(), false);
        server->send(s, "answer", false);
        server->http2.send_headers(s, trailers(), true);
      };
      for (uint32_t id : {1u, 3u}) {
        Stream* s = client->http2.open(request(), false, &client->owner);
        for (size_t at = 0; at < body.size(); at += 1'000)
          client->send(*s, body.substr(at, 1'000), at + 1'000 == body.size());
        talk(*client, *server, chunk);
        EXPECT_EQ(server->owner.streams[id].body, body);
        EXPECT_EQ(client->owner.streams[id].body, "answer");
        EXPECT_TRUE(client->owner.streams[id].closed);
      }
      EXPECT_EQ(client->http2.error(), ErrorCode::kNoError);
      EXPECT_TRUE(client->silent());
    }
  }
}

TEST_F(Records, headers_may_have_left_with_the_first_byte_of_their_record) {
  begin();
  Stream* first = client->http2.open(request(), true, &client->owner);
  Stream* second = client->http2.open(request(), true, &client->owner);
  client->flush();
  EXPECT_FALSE(client->may_have_left(*first));
  EXPECT_FALSE(client->may_have_left(*second));
  client->lower.transmit(1);
  EXPECT_TRUE(client->may_have_left(*first));
  EXPECT_TRUE(client->may_have_left(*second)) << "both are in the record";
}

TEST_F(Records, headers_of_another_record_have_not_left) {
  begin();
  Stream* first = client->http2.open(request(), true, &client->owner);
  client->flush();
  Stream* second = client->http2.open(request(), true, &client->owner);
  client->flush();
  const uint64_t begin = client->lower.left;
  client->lower.transmit((client->lower.end() - begin) / 2);
  EXPECT_TRUE(client->may_have_left(*first));
  EXPECT_FALSE(client->may_have_left(*second));
}

TEST_F(Records, headers_that_are_not_sealed_have_not_left) {
  begin();
  client->lower.takes = 0;
  Stream* s = client->http2.open(request(), true, &client->owner);
  client->http2.flush(1'000);
  client->wire.push();
  client->lower.transmit();
  EXPECT_TRUE(s->head_sent());
  EXPECT_FALSE(client->may_have_left(*s));
}

constexpr uint32_t kPingSize = kFrameHeaderSize + 8;
const std::string kPingFrame = frame(FrameType::kPing, 0, 0, "12345678");

TEST_F(Records, answers_count_as_unread_until_their_whole_record_was_acknowledged) {
  guards.unread_answers = 4 * kPingSize;
  begin();
  hear(kPingFrame + kPingFrame + kPingFrame + kPingFrame);
  server->flush();
  server->lower.transmit();
  EXPECT_TRUE(server->wire.output().empty());
  server->lower.acknowledge(server->lower.end() - 1);
  hear(kPingFrame);
  EXPECT_TRUE(server->http2.failed());
  EXPECT_STREQ(server->http2.guard(), "unread_answers");
}

TEST_F(Records, answers_that_were_acknowledged_do_not_count) {
  guards.unread_answers = 4 * kPingSize;
  begin();
  for (int i = 0; i < 20; ++i) {
    hear(kPingFrame + kPingFrame + kPingFrame + kPingFrame);
    server->flush();
    server->lower.drain();
  }
  EXPECT_FALSE(server->http2.failed());
}

TEST_F(Records, sealed_output_that_nobody_acknowledges_is_watched) {
  guards.stall_timeout = 3 * http::Connection::kWatchPeriod;
  begin();
  EXPECT_FALSE(server->http2.wants_watch());
  hear(kPingFrame);
  server->flush();
  server->lower.transmit();
  EXPECT_TRUE(server->wire.output().empty());
  EXPECT_EQ(server->http2.held().bytes, kPingSize);
  EXPECT_GT(server->http2.held().buffers, 0u);
  server->lower.acknowledge(server->lower.end() - 1);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(server->http2.wants_watch());
    EXPECT_EQ(server->http2.watch(server->now), http::Connection::Watched::kFine);
  }
  EXPECT_EQ(server->http2.watch(server->now), http::Connection::Watched::kGone);
}

TEST_F(Records, a_record_that_was_acknowledged_is_progress) {
  guards.stall_timeout = 3 * http::Connection::kWatchPeriod;
  begin(kPingSize);
  for (int i = 0; i < 10; ++i) hear(kPingFrame);
  server->flush();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(server->http2.held().bytes, (10u - static_cast<uint32_t>(i)) * kPingSize);
    for (int look = 0; look < 2; ++look)
      EXPECT_EQ(server->http2.watch(server->now), http::Connection::Watched::kFine);
    server->lower.transmit(kPingSize + RecordStream::kOverhead);
    server->lower.acknowledge(server->lower.left);
  }
  EXPECT_FALSE(server->http2.wants_watch());
}

TEST_F(Records, data_lengthens_its_frame_only_before_the_frame_is_sealed) {
  begin();
  Stream* s = client->http2.open(request(), false, &client->owner);
  client->flush();
  const auto frames_out = [&] { return client->stats.frames_out.get(); };
  const uint64_t before = frames_out();
  client->send(*s, "one ", false);
  client->send(*s, "frame ", false);
  EXPECT_EQ(frames_out(), before + 1);
  client->flush();
  EXPECT_TRUE(client->wire.output().empty()) << "sealed";
  client->send(*s, "another ", false);
  EXPECT_EQ(frames_out(), before + 2);
  client->lower.writable();
  client->send(*s, "one", true);
  EXPECT_EQ(frames_out(), before + 2) << "nothing was pushed in between";
  client->flush();
  server->lower.arrive(client->lower.drain(), 1400, buffers.rx);
  EXPECT_EQ(server->owner.streams[1].body, "one frame another one");
  EXPECT_TRUE(server->owner.streams[1].ended);
}

TEST_F(Records, data_does_not_lengthen_a_frame_that_was_pushed_and_is_not_sealed_yet) {
  begin();
  Stream* s = client->http2.open(request(), false, &client->owner);
  client->flush();
  server->lower.arrive(client->lower.drain(), 1400, buffers.rx);
  client->lower.takes = 0;
  client->send(*s, "pushed ", false);
  const uint64_t frames = client->stats.frames_out.get();
  client->flush();
  client->http2.flush(1'000);
  client->send(*s, "later", true);
  EXPECT_EQ(client->stats.frames_out.get(), frames + 1);
  client->lower.takes = UINT32_MAX;
  client->flush();
  server->lower.arrive(client->lower.drain(), 1, buffers.rx);
  EXPECT_EQ(server->owner.streams[1].body, "pushed later");
}

}  // namespace
}  // namespace sluice::http2
