#pragma once
// One HTTP/1.1 connection with its memory, and an owner that writes down what it hears.

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "http1/codec.h"
#include "support/buffers.h"
#include "support/queue_stream.h"

namespace sluice::http1 {

// Keeps a log of events. A body is one line, when it ends.
class Owner final : public Handler {
 public:
  void on_headers(http::Stream& s, Section section, FieldList& fields, bool end) override {
    static constexpr const char* kNames[] = {"request", "informational", "response", "trailers",
                                             "declined"};
    std::string line = kNames[static_cast<int>(section)];
    for (const Field f : fields) line.append(" ").append(f.name).append("=").append(f.value);
    log.push_back(line + (end ? " end" : ""));
    last = &s;
    if (section == Section::kRequest) {
      body.clear();
      if (tie) s.set_owner(this);
    }
    if (section == Section::kResponse || section == Section::kDeclined) body.clear();
    if (on_head) on_head(s, section, end);
  }
  void on_data(http::Stream& s, buf::Slice data, bool end) override {
    body.append(reinterpret_cast<const char*>(data.data()), data.size());
    if (end) log.push_back("body " + body);
    if (takes) connection->consumed(s, data.size());
    if (end && on_end) on_end(s);
  }
  void on_sent(http::Stream&, uint32_t n) override { sent += n; }
  void on_reset(http::Stream&, EndReason reason, EndedBy by) override {
    log.push_back(std::string("reset: ") + http::text_of(reason) +
                  (by == EndedBy::kPeer ? ", peer" : ""));
    last = nullptr;
  }
  void on_closed(http::Stream&) override {
    log.push_back("closed");
    last = nullptr;
  }
  void on_goaway(const http::Goaway&) override {}
  void on_settings() override { ++room; }
  void on_ping_ack(uint64_t) override {}

  bool has(const std::string& line) const {
    return std::find(log.begin(), log.end(), line) != log.end();
  }

  http::Connection* connection = nullptr;
  bool tie = true;
  bool takes = true;  // the body, as it comes
  std::vector<std::string> log;
  std::string body;
  uint64_t sent = 0;
  int room = 0;
  http::Stream* last = nullptr;
  std::function<void(http::Stream&, Section, bool)> on_head;
  std::function<void(http::Stream&)> on_end;
};

// A queue that counts the receive window that was given back.
class WindowStream final : public transport::Stream {
 public:
  explicit WindowStream(buf::Queue& queue) : transport::Stream(queue) {}
  uint32_t room() const override { return UINT32_MAX; }
  void push() override {}
  void close() override { closed = true; }
  void abort() override {}
  void consumed(uint32_t n) override { credited += n; }
  uint64_t transmitted() const override { return output().begin(); }
  uint64_t acknowledged() const override { return prompt ? output().end() : output().begin(); }
  uint32_t buffers() const override { return output().slices(); }
  uint32_t buffers_ahead() const override { return 0; }
  Endpoint peer() const override { return *Endpoint::parse("198.18.1.101:80"); }
  Duration round_trip() const override { return {}; }
  void set_user_timeout(Duration) override {}
  uint64_t credited = 0;
  bool prompt = false;  // the peer has everything; else what say() has taken
  bool closed = false;

 private:
  void release() override {}
};

class Http1Test : public testing::Test {
 protected:
  void begin(bool server) {
    http = server ? codec.server(owner, wire, {}) : codec.client(owner, wire);
    owner.connection = http.get();
    http->start();
  }
  // As received from the wire, `chunk` bytes a slice.
  bool hear(std::string_view bytes, size_t chunk = 1400) {
    bool ok = true;
    while (ok && !bytes.empty()) {
      const size_t n = std::min(chunk, bytes.size());
      ok = http->receive(buffers.slice(bytes.substr(0, n)), now);
      bytes.remove_prefix(n);
    }
    return ok;
  }
  // Everything that goes onto the wire now.
  std::string say(uint32_t room = 1 << 20) {
    if (!http->failed()) http->flush(room);
    std::string bytes;
    while (!output.empty()) {
      const buf::Slice s = output.pop(UINT32_MAX);
      bytes.append(reinterpret_cast<const char*>(s.data()), s.size());
    }
    return bytes;
  }
  static FieldList fields(std::vector<std::pair<std::string, std::string>> all) {
    FieldList f;
    for (const auto& [name, value] : all) f.add(name, value);
    return f;
  }
  void send(http::Stream& s, std::string_view body, bool end) {
    http->send_data(s, body.empty() ? buf::Slice() : buffers.slice(body), end);
  }
  using Ending = http::Connection::Ending;

  Buffers buffers{1023, "http1"};
  stats::Http1 stats;
  Codec codec{{.memory = buffers.memory, .stats = stats}};
  Owner owner;
  buf::Queue output;
  WindowStream wire{output};
  Time now{std::chrono::hours(1)};
  http::ConnectionPtr http;
};

class ServerTest : public Http1Test {
 protected:
  ServerTest() {
    begin(true);
    owner.on_head = [this](http::Stream& s, Handler::Section section, bool end) {
      if (section == Handler::Section::kRequest && end && answers) answer(s);
    };
    owner.on_end = [this](http::Stream& s) {
      if (answers) answer(s);
    };
  }
  void answer(http::Stream& s) {
    http->send_headers(s, fields({{":status", "200"}, {"content-length", "2"}}), false);
    send(s, "ok", true);
  }
  bool answers = false;  // each request, when it is whole
};

class ClientTest : public Http1Test {
 protected:
  ClientTest() {
    wire.prompt = true;
    begin(false);
  }
  http::Stream* ask(const char* method = "GET", bool end = true) {
    return http->open(
        fields({{":method", method}, {":scheme", "http"}, {":authority", "pod"}, {":path", "/"}}),
        end, &owner, 0);
  }
};

}  // namespace sluice::http1
