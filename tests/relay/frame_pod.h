#pragma once
// A pod that speaks raw frames: what it says is the test's, what it hears is written down.

#include "fixture.h"

namespace sluice::relay {

class FramePod final : public tcp::Acceptor {
 public:
  class Side final : public tcp::User {
   public:
    Side(FramePod& pod, tcp::Connection& c) : tcp(&c), pod_(pod) {}

    void say(const std::string& bytes) {
      tcp->send_queue().append(pod_.node_.buffers.slice(bytes));
      tcp->push();
    }
    void set_limit(uint32_t streams) {
      say(http2::frame(http2::FrameType::kSettings, 0, 0,
                       http2::setting(http2::Setting::kMaxConcurrentStreams, streams)));
    }
    void goaway(uint32_t last, ErrorCode code = ErrorCode::kNoError, std::string_view debug = {}) {
      say(http2::frame(
          http2::FrameType::kGoaway, 0, 0,
          http2::number(last) + http2::number(static_cast<uint32_t>(code)) + std::string(debug)));
    }
    // A whole answer: ":status: 200", which has an index of its own (RFC 7541, appendix A).
    void answer(uint32_t stream) {
      say(http2::frame(http2::FrameType::kHeaders, http2::kFlagEndHeaders | http2::kFlagEndStream,
                       stream, "\x88"));
    }
    void credit(uint32_t stream, uint32_t bytes) {
      say(http2::frame(http2::FrameType::kWindowUpdate, 0, stream, http2::number(bytes)));
    }
    // Ids of the requests that came, in order.
    std::vector<uint32_t> requests() const {
      std::vector<uint32_t> ids;
      for (const http2::Frame& f : heard)
        if (f.head.type == http2::FrameType::kHeaders) ids.push_back(f.head.stream);
      return ids;
    }
    std::vector<http2::Frame> all(http2::FrameType type) const {
      std::vector<http2::Frame> found;
      for (const http2::Frame& f : heard)
        if (f.head.type == type) found.push_back(f);
      return found;
    }

    tcp::Connection* tcp;
    std::vector<http2::Frame> heard;
    size_t answered = 0;  // requests, by the test
    bool paused = false;  // reads no more
    bool ended = false;   // by Sluice, in whatever way

   private:
    friend FramePod;
    void on_established(tcp::Connection&) override {}
    void on_data(tcp::Connection& c, buf::Slice data) override {
      in_.append(reinterpret_cast<const char*>(data.data()), data.size());
      (paused ? unread_ : now_) += data.size();
      c.consumed(std::exchange(now_, 0));
      read();
    }
    void on_end_of_data(tcp::Connection& c) override {
      ended = true;
      c.close();
    }
    void on_writable(tcp::Connection&) override {}
    void on_closed(tcp::Connection&, tcp::CloseReason) override {
      ended = true;
      tcp = nullptr;
    }
    void read() {
      constexpr size_t kPreface = 24;
      if (!greeted_) {
        if (in_.size() < kPreface) return;
        in_.erase(0, kPreface);
        greeted_ = true;
      }
      while (in_.size() >= http2::kFrameHeaderSize) {
        const auto head = http2::FrameHeader::parse(reinterpret_cast<const uint8_t*>(in_.data()));
        const size_t size = http2::kFrameHeaderSize + head.size;
        if (in_.size() < size) return;
        heard.push_back({head, in_.substr(http2::kFrameHeaderSize, head.size)});
        in_.erase(0, size);
        const bool ack = (head.flags & http2::kFlagAck) != 0;
        if (pod_.on_frame) pod_.on_frame(*this, heard.back());
        if (head.type == http2::FrameType::kSettings && !ack && pod_.greets)
          say(http2::frame(http2::FrameType::kSettings, http2::kFlagAck, 0));
        if (head.type == http2::FrameType::kPing && !ack && pod_.answers_pings)
          say(http2::frame(http2::FrameType::kPing, http2::kFlagAck, 0, heard.back().payload));
        const bool asked =
            head.type == http2::FrameType::kHeaders && (head.flags & http2::kFlagEndStream) != 0;
        if (asked && pod_.answers_requests) answer(head.stream);
      }
    }

    FramePod& pod_;
    std::string in_;
    bool greeted_ = false;
    uint32_t now_ = 0;
    uint32_t unread_ = 0;
  };

  FramePod(Node& node, int number) : node_(node), number_(number) { up(); }
  void up() { node_.stack.listen(pod_at(number_), this); }
  void down() { node_.stack.unlisten(pod_at(number_)); }

  Side& side(size_t i) { return *sides.at(i); }
  // Reads what a paused side has left.
  void resume(size_t i) {
    side(i).paused = false;
    side(i).tcp->consumed(std::exchange(side(i).unread_, 0));
  }

  bool greets = true;       // says and acknowledges SETTINGS
  bool hangs_up = false;    // GOAWAY behind its SETTINGS
  std::string first_words;  // instead of SETTINGS
  bool closes = false;      // at once
  bool answers_requests = false;
  bool answers_pings = true;
  std::function<void(Side&, const http2::Frame&)> on_frame;
  // Of new connections.
  uint32_t stream_window = http2::kDefaultWindow;
  uint32_t connection_window = http2::kDefaultWindow;
  uint32_t limit = UINT32_MAX;  // of streams, on new connections
  std::vector<std::unique_ptr<Side>> sides;

 private:
  tcp::User* on_accept(tcp::Connection& c) override {
    sides.push_back(std::make_unique<Side>(*this, c));
    if (greets) sides.back()->set_limit(limit);
    if (stream_window != http2::kDefaultWindow)
      sides.back()->say(
          http2::frame(http2::FrameType::kSettings, 0, 0,
                       http2::setting(http2::Setting::kInitialWindowSize, stream_window)));
    if (connection_window > http2::kDefaultWindow)
      sides.back()->credit(0, connection_window - http2::kDefaultWindow);
    if (hangs_up) sides.back()->goaway(0);
    if (!first_words.empty()) sides.back()->say(first_words);
    if (closes) c.close();
    return sides.back().get();
  }

  Node& node_;
  int number_;
};

}  // namespace sluice::relay
