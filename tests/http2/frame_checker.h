#pragma once
// A strict peer: reads what an http2::Connection writes, knows what was written to it, and ends the
// program at the first frame that a peer would have to call an error (RFC 9113).

#include <algorithm>
#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/byte_order.h"
#include "http2/connection.h"

namespace sluice::http2 {

// Not an assertion: fuzzers run in all kinds of builds.
inline void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  __builtin_trap();
}

class FrameChecker {
 public:
  // role: of the connection under test.
  explicit FrameChecker(Role role)
      : role_(role), preface_(role == Role::kClient ? 24 : 0), position_(preface_) {}

  // A frame of the peer, just before its last byte is heard; DATA before the first of its payload.
  void heard(const FrameHeader& head, std::string_view payload) {
    if (on_heard) on_heard(head, payload);
    const auto* p = reinterpret_cast<const uint8_t*>(payload.data());
    switch (head.type) {
      case FrameType::kData:
        receive_window_ -= head.size;
        break;
      case FrameType::kHeaders:
        latest_heard_ = std::max(latest_heard_, head.stream);
        streams_[head.stream].heard = true;
        break;
      case FrameType::kWindowUpdate:
        if (payload.size() != 4) break;
        if (head.stream == 0) {
          send_window_ += load_be32(p) & kMaxStreamId;
        } else {
          streams_[head.stream].window += load_be32(p) & kMaxStreamId;
        }
        break;
      case FrameType::kSettings:
        if ((head.flags & kFlagAck) == 0 && head.stream == 0) settings(payload);
        break;
      case FrameType::kPing:
        if ((head.flags & kFlagAck) == 0) pings_.emplace_back(payload);
        break;
      default:
        break;
    }
  }

  // Bytes of the connection, in order; behind each call of it.
  void said(std::string_view bytes) {
    rest_ += bytes;
    size_t at = 0;
    if (preface_ > 0 && rest_.size() >= preface_) {
      must(rest_.starts_with("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
           "a client begins with the preface");
      at = std::exchange(preface_, 0);
    }
    while (preface_ == 0 && rest_.size() - at >= kFrameHeaderSize) {
      const auto head = FrameHeader::parse(reinterpret_cast<const uint8_t*>(rest_.data()) + at);
      must(head.size <= kDefaultMaxFrameSize, "frames fit the least SETTINGS_MAX_FRAME_SIZE");
      if (rest_.size() - at < kFrameHeaderSize + head.size) break;
      frame(head, std::string_view(rest_).substr(at + kFrameHeaderSize, head.size));
      at += kFrameHeaderSize + head.size;
      position_ += kFrameHeaderSize + head.size;
      if (is_answer(head))
        answers_.emplace_back(position_, static_cast<uint32_t>(kFrameHeaderSize + head.size));
      last_ = head.type;
    }
    rest_.erase(0, at);
  }

  // Told of every frame of the peer.
  std::function<void(const FrameHeader&, std::string_view payload)> on_heard;
  // Told of every field section that the connection wrote.
  std::function<void(uint32_t stream, FieldList& fields)> on_section;

  // Nothing but whole frames was written.
  bool whole() const { return rest_.empty() && block_stream_ == 0; }
  FrameType last_type() const { return last_; }
  uint32_t goaway_code() const { return goaway_code_; }
  // What the peer may still send in all; below zero it has broken its word.
  int64_t receive_window() const { return receive_window_; }
  // Bytes of frames that the peer provoked and that are not trimmed from the output yet.
  uint32_t unread_answers(uint64_t trimmed) {
    while (!answers_.empty() && answers_.front().first <= trimmed) answers_.pop_front();
    uint32_t bytes = 0;
    for (const auto& a : answers_) bytes += a.second;
    return bytes;
  }

 private:
  struct Stream {
    bool heard = false;  // HEADERS of the peer
    bool began = false;  // HEADERS of ours
    bool ended = false;  // END_STREAM of ours
    bool reset = false;  // RST_STREAM of ours
    int64_t window = 0;  // of ours to send, without the initial one
  };

  struct Settings {
    std::optional<int64_t> window;
    std::vector<uint32_t> tables;
  };

  // A larger window counts as soon as it may have been heard, a smaller one from its ACK on.
  void update_window() {
    initial_window_ = acknowledged_window_;
    for (const Settings& s : unacknowledged_)
      if (s.window) initial_window_ = std::max(initial_window_, *s.window);
  }
  void settings(std::string_view payload) {
    Settings heard;
    for (size_t i = 0; i + kSettingSize <= payload.size(); i += kSettingSize) {
      const auto* p = reinterpret_cast<const uint8_t*>(payload.data()) + i;
      const uint32_t value = load_be32(p + 2);
      if (static_cast<Setting>(load_be16(p)) == Setting::kInitialWindowSize) heard.window = value;
      if (static_cast<Setting>(load_be16(p)) == Setting::kHeaderTableSize)
        heard.tables.push_back(value);
    }
    unacknowledged_.push_back(std::move(heard));
    update_window();
  }

  void frame(const FrameHeader& f, std::string_view payload) {
    const auto* p = reinterpret_cast<const uint8_t*>(payload.data());
    if (std::exchange(first_, false))
      must(f.type == FrameType::kSettings && (f.flags & kFlagAck) == 0, "SETTINGS come first");
    must(block_stream_ == 0 || (f.type == FrameType::kContinuation && f.stream == block_stream_),
         "nothing interrupts a field block");
    switch (f.type) {
      case FrameType::kData: {
        Stream& s = streams_[f.stream];
        must(s.began && !s.ended && !s.reset, "DATA only on streams that are open");
        s.window -= f.size;
        send_window_ -= f.size;
        must(f.size == 0 || send_window_ >= 0, "DATA fit the connection's window");
        must(f.size == 0 || initial_window_ + s.window >= 0, "DATA fit the stream's window");
        s.ended = (f.flags & kFlagEndStream) != 0;
        break;
      }
      case FrameType::kHeaders: {
        Stream& s = streams_[f.stream];
        must((f.stream & 1) == 1, "streams of clients have odd ids");
        if (role_ == Role::kServer) {
          must(s.heard, "responses only to requests");
        } else if (!s.began) {
          must(f.stream > latest_, "ids grow");
          latest_ = f.stream;
        } else {
          must((f.flags & kFlagEndStream) != 0, "a request's trailers end it");
        }
        must(!s.ended && !s.reset, "HEADERS only on streams that are open");
        s.began = true;
        s.ended = (f.flags & kFlagEndStream) != 0;
        block_stream_ = f.stream;
        block(f, payload);
        break;
      }
      case FrameType::kContinuation:
        must(block_stream_ != 0, "CONTINUATION continues");
        block(f, payload);
        break;
      case FrameType::kRstStream: {
        Stream& s = streams_[f.stream];
        must(f.size == 4, "RST_STREAM has four bytes");
        // Ids that were skipped are closed, not idle (5.1.1).
        must(role_ == Role::kServer ? f.stream <= latest_heard_ : s.began,
             "RST_STREAM not on idle streams");
        must(!s.reset, "one RST_STREAM is enough");
        s.reset = true;
        break;
      }
      case FrameType::kSettings:
        must(f.stream == 0, "SETTINGS are the connection's");
        if ((f.flags & kFlagAck) == 0) break;
        must(f.size == 0 && !unacknowledged_.empty(), "an ACK for each SETTINGS");
        for (const uint32_t bytes : unacknowledged_.front().tables) decoder_.set_limit(bytes);
        acknowledged_window_ = unacknowledged_.front().window.value_or(acknowledged_window_);
        unacknowledged_.pop_front();
        update_window();
        break;
      case FrameType::kPing:
        must(f.stream == 0 && f.size == 8, "PING has eight bytes");
        if ((f.flags & kFlagAck) == 0) break;
        must(!pings_.empty() && pings_.front() == payload, "a PING's ACK says what it said");
        pings_.pop_front();
        break;
      case FrameType::kGoaway: {
        must(f.stream == 0 && f.size >= 8, "GOAWAY has eight bytes or more");
        const uint32_t last = load_be32(p);
        must(last <= goaway_last_, "the last id of GOAWAYs never grows");
        must(last == kMaxStreamId || last <= latest_heard_,
             "GOAWAY names a stream that was heard of");
        goaway_last_ = last;
        goaway_code_ = load_be32(p + 4);
        break;
      }
      case FrameType::kWindowUpdate: {
        must(f.size == 4 && load_be32(p) > 0 && load_be32(p) <= kMaxStreamId,
             "WINDOW_UPDATE gives something");
        if (f.stream != 0) {
          const Stream& s = streams_[f.stream];
          must(role_ == Role::kServer ? s.heard : s.began, "WINDOW_UPDATE not on idle streams");
          must(!s.reset, "no window for a stream that was reset");
          break;
        }
        receive_window_ += load_be32(p);
        must(receive_window_ <= kMaxWindow, "the window that we give does not overflow");
        break;
      }
      default:
        must(false, "no other frames are written");
    }
  }

  void block(const FrameHeader& f, std::string_view piece) {
    block_ += piece;
    if ((f.flags & kFlagEndHeaders) == 0) return;
    FieldList fields;
    const buf::View bytes(reinterpret_cast<const uint8_t*>(block_.data()), block_.size());
    must(decoder_.decode(bytes, 1 << 20, fields) == hpack::Decoder::Result::kOk,
         "field blocks decode");
    if (on_section) on_section(block_stream_, fields);
    block_.clear();
    block_stream_ = 0;
  }

  static bool is_answer(const FrameHeader& f) {
    if (f.type == FrameType::kRstStream || f.type == FrameType::kWindowUpdate) return true;
    return (f.type == FrameType::kSettings || f.type == FrameType::kPing) &&
           (f.flags & kFlagAck) != 0;
  }

  const Role role_;
  size_t preface_;
  std::string rest_;
  bool first_ = true;
  std::map<uint32_t, Stream> streams_;
  int64_t send_window_ = kDefaultWindow;
  int64_t receive_window_ = kDefaultWindow;
  int64_t initial_window_ = kDefaultWindow;
  int64_t acknowledged_window_ = kDefaultWindow;
  uint32_t latest_ = 0;
  uint32_t latest_heard_ = 0;
  uint32_t goaway_last_ = kMaxStreamId;
  uint32_t goaway_code_ = 0;
  uint32_t block_stream_ = 0;
  std::string block_;
  FrameType last_{};
  uint64_t position_;
  std::deque<std::pair<uint64_t, uint32_t>> answers_;  // where each ends, and its size
  std::deque<Settings> unacknowledged_;
  std::deque<std::string> pings_;
  stats::Http2 stats_;
  hpack::Shared shared_{stats_, {}, 64 * 1024};
  hpack::Decoder decoder_{shared_};
};

// Cuts the peer's bytes at the borders of frames, for the checker.
class PeerBytes {
 public:
  // role: of the connection that hears them.
  PeerBytes(Role role, FrameChecker& checker)
      : checker_(checker), preface_(role == Role::kServer ? 24 : 0) {}

  // How many of the next `n` bytes may be heard at once.
  uint32_t next(const uint8_t* bytes, uint32_t n) {
    if (preface_ > 0) {
      n = std::min(n, preface_);
      preface_ -= n;
      return n;
    }
    if (!in_payload_) {
      n = std::min<uint32_t>(n, kFrameHeaderSize - static_cast<uint32_t>(bytes_.size()));
      bytes_.append(reinterpret_cast<const char*>(bytes), n);
      if (bytes_.size() < kFrameHeaderSize) return n;
      head_ = FrameHeader::parse(reinterpret_cast<const uint8_t*>(bytes_.data()));
      bytes_.clear();
      in_payload_ = head_.size > 0;
      if (!in_payload_ || head_.type == FrameType::kData) checker_.heard(head_, {});
      return n;
    }
    n = std::min<uint32_t>(n, head_.size - static_cast<uint32_t>(bytes_.size()));
    bytes_.append(reinterpret_cast<const char*>(bytes), n);
    if (bytes_.size() < head_.size) return n;
    if (head_.type != FrameType::kData) checker_.heard(head_, bytes_);
    bytes_.clear();
    in_payload_ = false;
    return n;
  }

 private:
  FrameChecker& checker_;
  uint32_t preface_;
  bool in_payload_ = false;
  FrameHeader head_;
  std::string bytes_;
};

}  // namespace sluice::http2
