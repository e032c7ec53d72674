#pragma once
// Runs any bytes as the life of one http2::Connection: frames of a peer, whole and broken, calls of
// an owner, from outside and from inside callbacks, and a wire that takes some bytes or none. What
// must hold: all that FrameChecker says, one last word a stream and silence after it, bounded
// answers, and every stream and buffer back in the end.

#include <memory>
#include <optional>
#include <span>

#include "buf/memory.h"
#include "frame_checker.h"
#include "support/queue_stream.h"

namespace sluice::http2 {

class FrameMachine final : public Handler {
 public:
  FrameMachine(rte_mempool* rx, rte_mempool* hold, std::span<const uint8_t> program)
      : program_(program),
        setup_(byte()),
        role_((setup_ & 1) != 0 ? Role::kServer : Role::kClient),
        rx_(rx),
        hold_(hold),
        memory_(rx_, hold_, 64, 16),
        checker_(role_),
        peer_(role_, checker_),
        connection_(
            storage_.emplace(role_, config(), *this, wire_, memory_, stats_, streams_, shared_)) {}

  void run() {
    // Short of memory: most buffers are with somebody else.
    std::vector<buf::Slice> taken;
    if (poor())
      while (hold_.available() > 24) taken.push_back(hold_.alloc());
    memory_.refresh();
    connection_.start();
    if ((setup_ & 4) == 0) {
      if (role_ == Role::kServer) hear("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
      hear_frame(FrameType::kSettings, 0, 0, {});
      hear_frame(FrameType::kSettings, kFlagAck, 0, {});
    }
    while (!program_.empty()) {
      step();
      check();
    }
    // As the owner of a connection that ends takes leave of the streams.
    connection_.for_each_stream([&](http::Stream& s) {
      over(call_of(s));
      s.set_owner(nullptr);
    });
    for (const auto& c : calls_) must(c->over, "no stream is lost without a word");
    storage_.reset();
    output_.clear();
    must(streams_.live() == 0, "all streams are freed");
  }

  void on_headers(http::Stream& s, Section section, FieldList& fields, bool end) override {
    must(fields.count() > 0 || section == Section::kTrailers, "a section has fields");
    if (section == Section::kRequest) {
      must(role_ == Role::kServer && s.owner() == nullptr, "requests come to servers, once");
      if ((byte() & 7) == 0) return;  // refused
      Call& c = new_call();
      c.stream = &s;
      s.set_owner(&c);
      c.requested = true;
      c.heard_end = end;
      act_inside(c);
      return;
    }
    Call& c = live(s);
    must(!c.heard_end, "nothing comes behind the end");
    if (section == Section::kTrailers) {
      must(end && c.heard_response == (role_ == Role::kClient), "trailers come last");
    } else {
      must(role_ == Role::kClient && !c.heard_response, "one response");
      c.heard_response = section == Section::kResponse;
    }
    c.heard_end = end;
    act_inside(c);
  }
  void on_data(http::Stream& s, buf::Slice data, bool end) override {
    Call& c = live(s);
    must(!c.heard_end, "nothing comes behind the end");
    must(role_ == Role::kServer || c.heard_response, "no DATA before the response");
    c.heard_end = end;
    c.unread += data.size();
    act_inside(c);
  }
  void on_sent(http::Stream& s, uint32_t n) override {
    Call& c = live(s);
    must(n > 0 && n <= c.queued, "nothing is sent that was not given");
    c.queued -= n;
    act_inside(c);
  }
  void on_reset(http::Stream& s, EndReason, EndedBy) override { last_word(s); }
  void on_closed(http::Stream& s) override {
    const Call& c = live(s);
    must(c.heard_end && c.ended && c.queued == 0, "closed when both sides have ended");
    last_word(s);
  }
  void on_goaway(const http::Goaway& g) override {
    const uint32_t last = g.last_stream_id;
    connection_.for_each_stream([&](http::Stream& s) {
      if (role_ == Role::kServer || (s.id() != 0 && s.id() <= last)) return;
      over(call_of(s));
      connection_.reset(s, ErrorCode::kCancel);
    });
    act_elsewhere();
  }
  void on_settings() override { act_elsewhere(); }
  void on_ping_ack(uint64_t) override { act_elsewhere(); }

 private:
  struct Call {
    http::Stream* stream = nullptr;
    bool over = false;
    bool requested = false;  // server role: the request was heard
    bool heard_response = false;
    bool heard_end = false;
    bool answered = false;  // server role: the final response was given
    bool ended = false;     // our side, to the connection
    uint64_t unread = 0;    // bytes heard and not consumed
    uint64_t queued = 0;    // bytes given and not sent
  };
  static constexpr uint64_t kMaxQueued = 40'000;  // of one stream: a careful owner's bound
  static constexpr int kMaxDepth = 3;             // actions inside of callbacks of actions

  // Even the last GOAWAY may find no buffer.
  bool poor() const { return (setup_ & 2) != 0; }
  Config config() const {
    Config c;
    static constexpr uint32_t kWindows[] = {65'536, 1'000, 16'384, 200'000};
    c.initial_stream_window = kWindows[setup_ >> 4 & 3];
    c.connection_window = (setup_ & 64) != 0 ? 70'000 : 65'535;
    c.max_concurrent_streams = (setup_ & 128) != 0 ? 3 : 100;
    c.pass_connect = (setup_ & 8) != 0;
    static constexpr config::Guards kGuards{.resets = {20, 1},
                                            .provoked_resets = {20, 1},
                                            .settings = {20, 1},
                                            .pings = {50, 1},
                                            .window_updates = {100, 1},
                                            .dribble = {20, 1},
                                            .unread_answers = 2'000};
    c.guards = &kGuards;
    c.max_header_list_size = 2'000;
    return c;
  }

  uint8_t byte() {
    if (program_.empty()) return 0;
    const uint8_t b = program_.front();
    program_ = program_.subspan(1);
    return b;
  }
  std::string bytes(size_t n) {
    n = std::min(n, program_.size());
    std::string s(reinterpret_cast<const char*>(program_.data()), n);
    program_ = program_.subspan(n);
    return s;
  }
  static Call& call_of(http::Stream& s) { return *static_cast<Call*>(s.owner()); }
  Call& live(http::Stream& s) {
    must(s.owner() != nullptr, "streams without an owner are not reported");
    Call& c = call_of(s);
    must(!c.over && c.stream == &s, "silence after the last word");
    return c;
  }
  Call& new_call() {
    calls_.push_back(std::make_unique<Call>());
    return *calls_.back();
  }
  static void over(Call& c) {
    c.over = true;
    c.stream = nullptr;
  }
  void last_word(http::Stream& s) {
    over(live(s));
    act_elsewhere();
  }

  void step() {
    const uint8_t op = byte();
    switch (op & 15) {
      case 0:
      case 1:
        hear_headers(op);
        break;
      case 2:
      case 3:
        hear_data(op);
        break;
      case 4: {
        const uint32_t n = (op & 16) != 0 ? 0x7fffff00u + byte() : byte() * (op & 32 ? 1u : 200u);
        hear_frame(FrameType::kWindowUpdate, 0, (op & 64) != 0 ? 0 : stream_id(), number(n));
        break;
      }
      case 5:
        hear_settings();
        break;
      case 6:
        hear_frame(FrameType::kRstStream, 0, stream_id(), number(byte() % 16));
        break;
      case 7:
        if ((op & 16) != 0) {
          hear_frame(FrameType::kGoaway, 0, 0, number(stream_id()) + number(byte() % 16));
        } else {
          hear_frame(FrameType::kPing, (op & 32) != 0 ? kFlagAck : uint8_t{0}, 0, bytes(8));
        }
        break;
      case 8: {
        const auto type = static_cast<FrameType>(byte() % 18);
        const uint8_t flags = byte();
        const uint32_t id = (op & 16) != 0 ? 0 : stream_id();
        hear_frame(type, flags, id, bytes(byte() % 64));
        break;
      }
      case 9:
        if ((op & 48) == 48) hear(bytes(byte() % 32));  // not even frames
        break;
      case 10:
        connection_.flush(op & 16 ? byte() * 200u : op & 32 ? 1 : 100'000);
        break;
      case 11: {
        const uint64_t n = (op & 16) != 0 ? UINT64_MAX : byte() * 20u;
        check();
        output_.trim_to(output_.begin() + std::min(n, output_.size()));
        break;
      }
      case 12:
        if (role_ == Role::kClient) open(op);
        break;
      case 13:
      case 14:
        if (Call* c = pick()) act(*c);
        break;
      case 15:
        if ((op & 16) != 0) {
          connection_.ping(op);
        } else if ((op & 32) != 0 && !final_) {
          connection_.goaway(kMaxStreamId, ErrorCode::kNoError);
        } else if ((op & 64) != 0 && role_ == Role::kServer) {
          connection_.goaway(connection_.last_peer_stream_id(), ErrorCode::kNoError);
          connection_.refuse_new_streams();
          final_ = true;
        } else {
          now_ += Duration(byte() * 1'000'000);
          memory_.refresh();
        }
        break;
    }
  }

  // --- What the owner does ---

  Call* pick() {
    std::erase_if(calls_, [&](const auto& c) { return c->over && depth_ == 0; });
    if (calls_.empty()) return nullptr;
    Call& c = *calls_[byte() % calls_.size()];
    return c.over ? nullptr : &c;
  }
  void act_inside(Call& c) {
    if (depth_ == kMaxDepth || (byte() & 3) != 0) return;
    ++depth_;
    act(c);
    --depth_;
  }
  void act_elsewhere() {
    if (depth_ == kMaxDepth || (byte() & 1) != 0) return;
    ++depth_;
    if (Call* c = pick()) {
      act(*c);
    } else if (role_ == Role::kClient) {
      open(byte());
    }
    --depth_;
  }
  void open(uint8_t op) {
    FieldList f;
    f.add(Name::kMethod, (op & 16) != 0 ? "HEAD" : "POST");
    f.add(Name::kScheme, "http");
    f.add(Name::kPath, (op & 32) != 0 ? "/" : "/sluice.lab.Echo/Unary");
    f.add(Name::kAuthority, "pod");
    if ((op & 64) != 0) f.add("x-long", std::string(byte() * 90u, 'l'));
    Call& c = new_call();
    c.ended = (op & 128) != 0;
    // Callbacks may come before open() returns.
    http::Stream* s = connection_.open(f, c.ended, &c);
    if (s == nullptr) {
      must(!connection_.can_open(), "a stream can be opened when can_open() says so");
      over(c);
    } else if (!c.over) {
      c.stream = s;
    }
  }
  // One thing that an owner may do now.
  void act(Call& c) {
    const uint8_t op = byte();
    http::Stream& s = *c.stream;
    switch (op & 7) {
      case 0:
      case 1:
        headers(c, (op & 16) != 0, (op & 32) != 0);
        break;
      case 2:
      case 3:
      case 4:
        data(c, (op & 16) != 0 ? byte() : byte() * 8u, (op & 32) != 0);
        break;
      case 5:
        if (c.unread > 0) {
          const uint64_t n = (op & 16) != 0 ? c.unread : std::min<uint64_t>(c.unread, byte() * 4u);
          c.unread -= n;
          connection_.consumed(s, static_cast<uint32_t>(n));
        }
        break;
      case 6:
        over(c);
        connection_.reset(s, static_cast<ErrorCode>(op >> 4));
        break;
      case 7:
        if ((op & 64) != 0) break;
        over(c);
        connection_.reset_after_output(s, ErrorCode::kNoError);
        break;
    }
  }
  void headers(Call& c, bool informational, bool end) {
    if (c.ended) return;
    FieldList f;
    if (role_ == Role::kServer && !c.answered) {
      f.add(Name::kStatus, informational ? "103" : "200");
      f.add("x-some", "value");
      c.answered = !informational;
      c.ended = end && !informational;
    } else {
      f.add(Name::kGrpcStatus, "0");
      c.ended = true;
    }
    connection_.send_headers(*c.stream, f, c.ended);
  }
  void data(Call& c, uint32_t n, bool end) {
    if (c.ended || (role_ == Role::kServer && !c.answered) || c.queued + n > kMaxQueued) return;
    buf::Slice s;
    if (n > 0) {
      s = rx_.alloc();
      s.grow_back(std::min<uint32_t>(n, 2000));
      std::memset(s.mutable_data(), 'd', s.size());
    }
    c.queued += s.size();
    c.ended = end;
    connection_.send_data(*c.stream, std::move(s), end);
  }

  // --- What the peer does ---

  // Streams that may be there, and those that may not.
  uint32_t stream_id() {
    const uint8_t b = byte();
    if (b < 200) return (b % 16) * 2 + 1;
    return b;
  }
  static std::string number(uint32_t n) {
    uint8_t b[4];
    store_be32(b, n);
    return {reinterpret_cast<char*>(b), 4};
  }
  void hear_settings() {
    static constexpr uint16_t kIds[] = {1, 2, 3, 4, 5, 6, 8, 9};
    static constexpr uint32_t kValues[] = {0,      1,      3,       100,        4096,    16'384,
                                           65'535, 65'536, 100'000, 0x7fffffff, 0xffffff};
    std::string payload;
    for (int i = byte() & 3; i >= 0; --i) {
      const uint8_t b = byte();
      payload += {'\0', static_cast<char>(kIds[b % 8])};
      payload += number(kValues[(b >> 3) % std::size(kValues)]);
    }
    hear_frame(FrameType::kSettings, 0, 0, payload);
  }
  void hear_headers(uint8_t op) {
    using namespace std::string_literals;
    static const std::string kSections[] = {
        // Requests, responses and trailers, right and wrong; indices of HPACK's static table.
        "\x83\x86\x84\x41\x03pod"s,
        "\x83\x86\x84\x0f\x0d\x02"s
        "10"s,
        "\x02\x07"
        "CONNECT"
        "\x41\x03pod"s,
        "\x83\x86"s,
        "\x88"s,
        "\x08\x03"
        "103"s,
        "\x88\x0f\x0d\x01"
        "5"s,
        "\x40\x0bgrpc-status\x01"
        "0"s,
        "\x83\x86\x84\x40\x01x\x7f\x80\x10"s + std::string(2175, 'x'),  // a list beyond the limit
        "\x3f\xe1\x1f\x88"s,                                            // table size 4096
        "\xbe\xbf"s,                                                    // dynamic entries
        ""s,
    };
    const uint8_t which = byte();
    std::string block = which < 240 ? kSections[which % std::size(kSections)] : bytes(which - 238u);
    // Mostly a request or a response, whichever fits.
    if (which < 120) block = kSections[role_ == Role::kServer ? which % 2 : 4 + which % 2 * 2];
    uint32_t id = stream_id();
    if (role_ == Role::kServer && (op & 16) == 0) id = next_id_ += 2;
    uint8_t flags = (op & 32) != 0 ? kFlagEndStream : uint8_t{0};
    if ((op & 192) == 192) {  // in pieces
      const size_t cut = byte() % (block.size() + 1);
      hear_frame(FrameType::kHeaders, flags, id, block.substr(0, cut));
      for (int i = byte() % 10; i > 0; --i) hear_frame(FrameType::kContinuation, 0, id, "");
      hear_frame(FrameType::kContinuation, kFlagEndHeaders, id, block.substr(cut));
      return;
    }
    if ((op & 64) != 0) {
      block = '\2' + block + "pp";
      flags |= kFlagPadded;
    }
    hear_frame(FrameType::kHeaders, flags | kFlagEndHeaders, id, block);
  }
  void hear_data(uint8_t op) {
    const uint8_t b = byte();
    std::string payload((op & 16) != 0 ? b * 64u : b % 32, 'd');
    uint8_t flags = (op & 32) != 0 ? kFlagEndStream : uint8_t{0};
    if ((op & 64) != 0 && !payload.empty()) {
      flags |= kFlagPadded;
      payload[0] = static_cast<char>(byte());
    }
    hear_frame(FrameType::kData, flags, stream_id(), payload);
  }
  void hear_frame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload) {
    uint8_t head[kFrameHeaderSize];
    FrameHeader{static_cast<uint32_t>(payload.size()), type, flags, stream}.emit(head);
    hear(std::string(reinterpret_cast<char*>(head), sizeof head) + std::string(payload));
  }
  void hear(const std::string& all) {
    // One in four frames arrives in crumbs.
    const uint8_t crumbs = byte();
    const uint32_t most = (crumbs & 3) == 3 ? 1u + crumbs / 4 : 1400;
    const auto* p = reinterpret_cast<const uint8_t*>(all.data());
    for (size_t at = 0; at < all.size() && !connection_.failed();) {
      const auto left = static_cast<uint32_t>(std::min<size_t>(most, all.size() - at));
      const uint32_t n = peer_.next(p + at, left);
      buf::Slice s = rx_.alloc();
      if (!s) return;
      s.grow_back(n);
      std::memcpy(s.mutable_data(), p + at, n);
      at += n;
      const bool ok = connection_.receive(std::move(s), now_);
      must(ok != connection_.failed(), "receive() says whether the connection has failed");
      check();
    }
  }

  void check() {
    connection_.flush(0);  // what is read may not grow any more
    if (output_.end() > checked_) {
      std::string fresh;
      output_.peek(checked_, static_cast<uint32_t>(output_.end() - checked_),
                   [&](const buf::Fragment& f) {
                     fresh.append(reinterpret_cast<const char*>(f.data()), f.size());
                   });
      checked_ = output_.end();
      checker_.said(fresh);
    }
    if (connection_.failed() && !poor()) {
      must(checker_.whole() && checker_.last_type() == FrameType::kGoaway, "GOAWAY ends all");
      must(checker_.goaway_code() == static_cast<uint32_t>(connection_.error()),
           "GOAWAY says what error() says");
    }
    must(connection_.failed() || checker_.receive_window() >= 0,
         "DATA beyond the connection's window end it");
    must(connection_.failed() || checker_.whole(), "frames are written whole");
    must(checker_.unread_answers(output_.begin()) <= 2'000 + 32, "answers do not pile up");
    uint64_t queued = 0;
    connection_.for_each_stream([&](http2::Stream& s) {
      must(s.queued() == live(s).queued || connection_.failed(), "on_sent told of all that left");
      queued += s.queued();
    });
    must(connection_.held().bytes >= output_.size() + queued, "held() counts everything");
  }

  std::span<const uint8_t> program_;
  const uint8_t setup_;
  const Role role_;
  Time now_{Duration(100s)};
  buf::Pool rx_;
  buf::Pool hold_;
  buf::Memory memory_;
  stats::Http2 stats_;
  hpack::Shared shared_{stats_, {}, 64 * 1024};
  Slab<http2::Stream> streams_;
  buf::Queue output_;
  QueueStream wire_{output_};
  std::vector<std::unique_ptr<Call>> calls_;
  FrameChecker checker_;
  PeerBytes peer_;
  uint64_t checked_ = 0;
  uint32_t next_id_ = static_cast<uint32_t>(-1);
  int depth_ = 0;
  bool final_ = false;  // the last GOAWAY was said
  std::optional<Connection> storage_;
  Connection& connection_;
};

}  // namespace sluice::http2
