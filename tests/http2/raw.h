#pragma once
// A connection of either role in front of a peer that speaks raw frames, which it may not be
// allowed to.

#include <memory>

#include "fixture.h"

namespace sluice::http2 {

inline std::string block(const FieldList& fields) {
  stats::Http2 stats;
  hpack::Shared shared(stats);
  hpack::Encoder encoder(shared, hpack::Encoder::kDefaultTableSize);
  const buf::View out = encoder.encode(fields);
  return {out.begin(), out.end()};
}
inline std::string headers(uint32_t stream, bool end = false, const FieldList& fields = request()) {
  return frame(FrameType::kHeaders, kFlagEndHeaders | (end ? kFlagEndStream : 0), stream,
               block(fields));
}
inline std::string data(uint32_t stream, std::string_view payload, bool end = false) {
  return frame(FrameType::kData, end ? kFlagEndStream : 0, stream, payload);
}
inline std::string rst(uint32_t stream, ErrorCode code = ErrorCode::kCancel) {
  return frame(FrameType::kRstStream, 0, stream, number(static_cast<uint32_t>(code)));
}
inline const std::string kSettingsAck = frame(FrameType::kSettings, kFlagAck, 0);

// The field blocks of one connection as text, in the order in which they came.
class BlockReader {
 public:
  std::string text(std::string_view block) {
    FieldList fields;
    EXPECT_EQ(decoder_.decode({reinterpret_cast<const uint8_t*>(block.data()), block.size()},
                              UINT32_MAX, fields),
              hpack::Decoder::Result::kOk);
    std::string out;
    for (const Field f : fields) out += (out.empty() ? "" : " ") + http2::text(f.name, f.value);
    return out;
  }

 private:
  stats::Http2 stats_;
  hpack::Shared shared_{stats_};
  hpack::Decoder decoder_{shared_};
};

using PlainPairs = std::vector<std::pair<std::string_view, std::string_view>>;
inline FieldList list(const PlainPairs& fields) {
  FieldList f;
  for (const auto& [name, value] : fields) f.add(name, value);
  return f;
}
inline FieldList with(FieldList fields, const PlainPairs& more) {
  for (const auto& [name, value] : more) fields.add(name, value);
  return fields;
}

// What is tested, after both prefaces.
class RawPeer : public testing::Test {
 public:
  explicit RawPeer(Role role) : role_(role) {}
  void restart(Config c) {
    side.reset();
    c.guards = &guards;
    side = std::make_unique<Side>(role_, buffers, c);
    side->say();
    EXPECT_TRUE(side->hear(role_ == Role::kServer ? hello() : frame(FrameType::kSettings, 0, 0)));
    side->say();
    begin();
  }
  virtual void begin() {}

  // What it answers.
  std::vector<Frame> after(const std::string& bytes) {
    side->hear(bytes);
    return frames(side->say());
  }
  // A connection error, however the bytes are cut.
  void fails(const std::string& bytes, ErrorCode code) {
    for (const size_t chunk : {size_t{1400}, size_t{1}}) {
      restart(side->config);
      EXPECT_FALSE(side->hear(bytes, chunk));
      const auto said = frames(side->say());
      ASSERT_FALSE(said.empty());
      EXPECT_EQ(said.back().head.type, FrameType::kGoaway);
      EXPECT_EQ(static_cast<ErrorCode>(said.back().number(4)), code) << side->http2.detail();
      EXPECT_EQ(side->http2.error(), code);
      EXPECT_EQ(side->stats.connection_errors.get(), 1u);
    }
  }
  // A stream error, after which no stream is left.
  void resets(const std::string& bytes, ErrorCode code) {
    for (const size_t chunk : {size_t{1400}, size_t{1}}) {
      restart(side->config);
      EXPECT_TRUE(side->hear(bytes, chunk)) << side->http2.detail();
      const auto said = frames(side->say());
      ASSERT_FALSE(said.empty());
      EXPECT_EQ(said.back().head.type, FrameType::kRstStream);
      EXPECT_EQ(static_cast<ErrorCode>(said.back().number()), code);
      EXPECT_EQ(side->streams.live(), 0u);
    }
  }
  // Nothing to complain of.
  void accepts(const std::string& bytes) {
    for (const size_t chunk : {size_t{1400}, size_t{1}}) {
      restart(side->config);
      EXPECT_TRUE(side->hear(bytes, chunk)) << side->http2.detail();
      for (const Frame& f : frames(side->say())) {
        EXPECT_NE(f.head.type, FrameType::kRstStream)
            << text_of(static_cast<ErrorCode>(f.number()));
        EXPECT_NE(f.head.type, FrameType::kGoaway);
      }
    }
  }

  Buffers buffers{2047};
  config::Guards guards;
  std::unique_ptr<Side> side;

 private:
  Role role_;
};

// A server in front of a client that speaks raw frames.
struct RawClient : RawPeer {
  RawClient() : RawPeer(Role::kServer) { restart({}); }
};

// A client in front of a pod that speaks raw frames. Stream 1 is open, its request not ended.
struct RawPod : RawPeer {
  RawPod() : RawPeer(Role::kClient) { restart({}); }
  void begin() override {
    EXPECT_NE(side->http2.open(first, false, &side->owner), nullptr);
    side->say();
  }
  void asks(std::string_view method) {
    first = list({{":method", method}, {":scheme", "http"}, {":path", "/"}});
    restart(side->config);
  }

  FieldList first = request();
};

}  // namespace sluice::http2
