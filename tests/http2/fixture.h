#pragma once
// One HTTP/2 connection with its memory, an owner that writes down what it hears, and frames as
// text.

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "http2/connection.h"
#include "support/buffers.h"
#include "support/queue_stream.h"

namespace sluice::http2 {

using sluice::Buffers;

inline std::string text(std::string_view name, std::string_view value) {
  return std::string(name) + "=" + std::string(value);
}

// Keeps a log of events, without the cuts between DATA pieces, and the bodies by stream.
class Owner final : public Handler {
  static Stream& own(http::Stream& s) { return static_cast<Stream&>(s); }

 public:
  struct Heard {
    std::string body;
    FieldList headers;
    FieldList trailers;
    bool ended = false;
    bool closed = false;
    bool reset = false;
    ErrorCode code{};
    uint64_t sent = 0;
  };

  void on_headers(http::Stream& s, Section section, FieldList& fields, bool end) override {
    static constexpr const char* kNames[] = {"request", "informational", "response", "trailers"};
    std::string line = std::to_string(s.id()) + " " + kNames[static_cast<int>(section)];
    for (const Field f : fields) line += " " + text(f.name, f.value);
    log.push_back(line + (end ? " end" : ""));
    if (section == Section::kRequest && tie) s.set_owner(this);
    Heard& h = streams[s.id()];
    h.ended |= end;
    (section == Section::kTrailers ? h.trailers : h.headers) = fields;
    if (headers_hook) headers_hook(own(s), section, end);
  }
  void on_data(http::Stream& s, buf::Slice data, bool end) override {
    Heard& h = streams[s.id()];
    h.body.append(reinterpret_cast<const char*>(data.data()), data.size());
    h.ended |= end;
    if (end) log.push_back(std::to_string(s.id()) + " data " + std::to_string(h.body.size()));
    const uint32_t n = data.size();
    if (data_hook) {
      data_hook(own(s), std::move(data), end);
    } else if (n > 0) {
      connection->consumed(s, n);
    }
  }
  void on_sent(http::Stream& s, uint32_t n) override {
    streams[s.id()].sent += n;
    if (sent_hook) sent_hook(own(s));
  }
  void on_reset(http::Stream& s, EndReason reason, EndedBy by) override {
    const ErrorCode code = code_of(reason);
    Heard& h = streams[s.id()];
    EXPECT_FALSE(h.reset || h.closed) << "a second last word";
    h.reset = true;
    h.code = code;
    log.push_back(std::to_string(s.id()) + " reset " + text_of(code) +
                  (by == EndedBy::kPeer ? " remote" : ""));
    if (last_hook) last_hook(own(s));
  }
  void on_closed(http::Stream& s) override {
    Heard& h = streams[s.id()];
    EXPECT_FALSE(h.reset || h.closed) << "a second last word";
    h.closed = true;
    log.push_back(std::to_string(s.id()) + " closed");
    if (last_hook) last_hook(own(s));
  }
  void on_goaway(const http::Goaway& g) override {
    log.push_back("goaway " + std::to_string(g.last_stream_id) + " " + g.code);
    goaway_debug = g.debug;
  }
  bool may_reset() override { return resets_left > 0 && resets_left-- > 0; }
  void on_guard(const char* guard, const char*) override { guards.push_back(guard); }
  void on_settings() override { log.push_back("settings"); }
  void on_ping_ack(uint64_t opaque) override { log.push_back("ping " + std::to_string(opaque)); }

  Connection* connection = nullptr;
  bool tie = true;
  uint32_t resets_left = UINT32_MAX;  // RST_STREAM that may leave
  std::vector<std::string> log;
  std::vector<std::string> guards;  // that acted on a stream
  std::string goaway_debug;
  std::map<uint32_t, Heard> streams;
  std::function<void(Stream&, Section, bool)> headers_hook;
  std::function<void(Stream&, buf::Slice, bool)> data_hook;
  std::function<void(Stream&)> sent_hook;
  std::function<void(Stream&)> last_hook;
};

// A connection, its owner, and what it has to say.
struct Side {
  Side(Role role, Buffers& b, const Config& c = {})
      : buffers(b), config(c), http2(role, config, owner, wire, b.memory, stats, streams, hpack) {
    owner.connection = &http2;
    http2.start();
  }

  // As received from the wire, `chunk` bytes a slice.
  bool hear(std::string_view bytes, size_t chunk = 1400) {
    bool ok = !http2.failed();
    while (ok && !bytes.empty()) {
      const size_t n = std::min(chunk, bytes.size());
      ok = http2.receive(buffers.slice(bytes.substr(0, n)), now);
      bytes.remove_prefix(n);
    }
    return ok;
  }
  // Everything that a connection with room for `window` unread bytes would put on the wire now.
  std::string say(uint32_t window = 1 << 20) {
    if (!http2.failed())
      http2.flush(output.size() < window ? window - static_cast<uint32_t>(output.size()) : 0);
    std::string bytes;
    while (!output.empty()) {
      const buf::Slice s = output.pop(UINT32_MAX);
      bytes.append(reinterpret_cast<const char*>(s.data()), s.size());
    }
    return bytes;
  }
  // All of `body`, in slices as a packet would bring them.
  void send(Stream& s, std::string_view body, bool end) {
    do {
      const size_t n = std::min<size_t>(1400, body.size());
      const bool last = n == body.size();
      http2.send_data(s, buffers.slice(body.substr(0, n)), end && last);
      body.remove_prefix(n);
    } while (!body.empty());
  }

  Buffers& buffers;
  Config config;
  Owner owner;
  buf::Queue output;
  QueueStream wire{output};
  stats::Http2 stats;
  hpack::Shared hpack{stats};
  Slab<Stream> streams;
  Time now{std::chrono::hours(1)};
  Connection http2;
};

// Carries bytes both ways until both sides are silent.
inline void talk(Side& a, Side& b, size_t chunk = 1400, uint32_t window = 1 << 20) {
  for (;;) {
    const std::string there = a.say(window);
    b.hear(there, chunk);
    const std::string back = b.say(window);
    a.hear(back, chunk);
    if (there.empty() && back.empty()) return;
  }
}

inline FieldList request(std::string_view path = "/") {
  FieldList f;
  f.add(Name::kMethod, "POST");
  f.add(Name::kScheme, "http");
  f.add(Name::kAuthority, "pod");
  f.add(Name::kPath, path);
  return f;
}
inline FieldList response() {
  FieldList f;
  f.add(Name::kStatus, "200");
  return f;
}
inline FieldList trailers() {
  FieldList f;
  f.add(Name::kGrpcStatus, "0");
  return f;
}

// Frames as a peer writes them.
inline std::string frame(FrameType type, uint8_t flags, uint32_t stream,
                         std::string_view payload = {}) {
  uint8_t head[kFrameHeaderSize];
  FrameHeader{static_cast<uint32_t>(payload.size()), type, flags, stream}.emit(head);
  std::string all(reinterpret_cast<char*>(head), sizeof head);
  all += payload;
  return all;
}
inline std::string number(uint32_t n) {
  uint8_t b[4];
  store_be32(b, n);
  return {reinterpret_cast<char*>(b), 4};
}
inline std::string setting(Setting id, uint32_t value) {
  return std::string{'\0', static_cast<char>(id)} + number(value);
}
inline const std::string kHello = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
inline std::string hello() {
  return kHello + frame(FrameType::kSettings, 0, 0);
}

struct Frame {
  FrameHeader head;
  std::string payload;
  uint32_t number(size_t at = 0) const {
    return load_be32(reinterpret_cast<const uint8_t*>(payload.data()) + at);
  }
};
inline std::vector<Frame> frames(std::string_view bytes) {
  std::vector<Frame> out;
  while (bytes.size() >= kFrameHeaderSize) {
    const auto h = FrameHeader::parse(reinterpret_cast<const uint8_t*>(bytes.data()));
    out.push_back({h, std::string(bytes.substr(kFrameHeaderSize, h.size))});
    bytes.remove_prefix(std::min<size_t>(bytes.size(), kFrameHeaderSize + h.size));
  }
  return out;
}

}  // namespace sluice::http2
