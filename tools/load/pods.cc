#include "pods.h"

#include <array>
#include <deque>

#include "frames_out.h"
#include "request_blocks.h"

namespace sluice::load {

namespace {

using http2::FrameHeader;
using http2::FrameType;

constexpr uint32_t kPrefaceBytes = 24;
constexpr uint32_t kSmallAnswer = 512;  // written in one piece with its header and trailers

// As grpc-go's encoder says them: the first time each enters the dynamic table.
constexpr uint8_t kFirstHeaders[] = {0x88, 0x5f, 0x8b, 0x1d, 0x75, 0xd0, 0x62,
                                     0x0d, 0x26, 0x3d, 0x4c, 0x4d, 0x65, 0x64};
constexpr uint8_t kHeadersBeforeTrailers[] = {0x88, 0xbe};
constexpr uint8_t kHeadersAfterTrailers[] = {0x88, 0xbf};
constexpr uint8_t kFirstTrailers[] = {0x40, 0x88, 0x9a, 0xca, 0xc8, 0xb2,
                                      0x12, 0x34, 0xda, 0x8f, 0x01, '0'};
constexpr uint8_t kTrailers[] = {0xbe};

}  // namespace

class Pods::Connection final : public tcp::User {
 public:
  Connection(Pods& o, tcp::Connection& c) : o_(o), tcp_(&c), decoder_(o.hpack_) {
    reader_.skip(kPrefaceBytes);
    put_beginning(c.send_queue(), o_.memory_.hold());
    c.push();
  }

  void on_established(tcp::Connection&) override {}
  void on_data(tcp::Connection& c, buf::Slice data) override {
    reader_.feed(data.view(), *this);
    c.consumed(data.size());
    if (received_ >= kGrant) {
      put_window_update(c.send_queue(), o_.memory_.hold(), 0, received_);
      received_ = 0;
    }
    send_answers();
    c.push();
  }
  void on_end_of_data(tcp::Connection& c) override { c.close(); }
  void on_writable(tcp::Connection& c) override {
    send_answers();
    c.push();
  }
  void on_closed(tcp::Connection&, tcp::CloseReason) override {
    std::erase_if(o_.connections_, [this](const auto& c) { return c.get() == this; });
  }

  // FrameReader
  void frame(const FrameHeader& h, buf::View payload) {
    switch (h.type) {
      case FrameType::kHeaders:
        return on_headers(h, payload);
      case FrameType::kSettings:
        if ((h.flags & http2::kFlagAck) == 0) on_settings(payload);
        [[fallthrough]];
      case FrameType::kPing:
        return put_acknowledgement(tcp_->send_queue(), o_.memory_.hold(), h, payload);
      case FrameType::kWindowUpdate:
        return on_window_update(h.stream, load_be32(payload.data()));
      case FrameType::kRstStream:
        std::erase_if(answers_, [&](const Answer& a) { return a.stream == h.stream; });
        return;
      default:
        return;
    }
  }
  void data(const FrameHeader& h, buf::View piece, bool last) {
    received_ += static_cast<uint32_t>(piece.size());
    // Sluice passes bodies on as they arrive: one that came in two segments goes in two frames.
    Request& r = requests_[(h.stream >> 1) % kRequests];
    if (r.stream != h.stream) r = {.stream = h.stream};
    if (!o_.request_.is(r.received, piece)) ++o_.errors_;
    r.received += static_cast<uint32_t>(piece.size());
    if (!last || (h.flags & http2::kFlagEndStream) == 0) return;
    if (r.received != o_.plan_.request_bytes) ++o_.errors_;
    r = {};
    answer(h.stream);
  }

 private:
  static constexpr size_t kRequests = 1024;  // whose bodies arrive at the same time, at most
  struct Request {
    uint32_t stream = 0;
    uint32_t received = 0;
  };
  struct Answer {
    uint32_t stream;
    uint32_t sent = 0;
    int64_t window;
  };

  void on_headers(const FrameHeader& h, buf::View block) {
    if (!expected_.is(block) || ++o_.sample_ >= Clients::kSampled) {
      o_.sample_ = 0;
      o_.fields_.clear();
      const bool good = decoder_.decode(block, kMaxFieldBytes, o_.fields_) ==
                            http2::hpack::Decoder::Result::kOk &&
                        o_.fields_.find(http::Name::kMethod) == "POST" &&
                        o_.fields_.find(http::Name::kTe) == "trailers" &&
                        o_.fields_.find(http::Name::kContentType) == "application/grpc";
      if (!good) {
        ++o_.errors_;
        o_.complaints_.about("a request", h, block, o_.fields_);
      }
      if (changes_table(block)) {
        expected_.forget();
      } else if (good) {
        expected_.learn(block);
      }
    }
    if ((h.flags & http2::kFlagEndStream) != 0) ++o_.errors_;  // every request has a body
  }

  void on_settings(buf::View payload) {
    for (; payload.size() >= http2::kSettingSize; payload = payload.subspan(http2::kSettingSize)) {
      if (load_be16(payload.data()) != static_cast<uint16_t>(http2::Setting::kInitialWindowSize))
        continue;
      const int64_t size = load_be32(payload.data() + 2);
      for (Answer& a : answers_) a.window += size - initial_window_;
      initial_window_ = size;
    }
  }

  void on_window_update(uint32_t stream, uint32_t n) {
    if (stream == 0) window_ += n;
    for (Answer& a : answers_)
      if (a.stream == stream) a.window += n;
  }

  buf::View headers_block() {
    if (!std::exchange(said_headers_, true)) return kFirstHeaders;
    return said_trailers_ ? buf::View(kHeadersAfterTrailers) : buf::View(kHeadersBeforeTrailers);
  }
  buf::View trailers_block() {
    return std::exchange(said_trailers_, true) ? buf::View(kTrailers) : buf::View(kFirstTrailers);
  }

  void answer(uint32_t stream) {
    buf::Queue& q = tcp_->send_queue();
    const buf::View block = headers_block();
    put_frame(
        q, o_.memory_.hold(),
        {static_cast<uint32_t>(block.size()), FrameType::kHeaders, http2::kFlagEndHeaders, stream},
        block);
    const uint32_t body = o_.plan_.answer_bytes;
    if (body > kSmallAnswer || window_ < body || !answers_.empty()) {
      answers_.push_back({.stream = stream, .window = initial_window_});
      return;
    }
    uint8_t* p = q.append_space(http2::kFrameHeaderSize + body, o_.memory_.hold());
    if (p == nullptr) {
      ++o_.errors_;
      return;
    }
    FrameHeader{body, FrameType::kData, 0, stream}.emit(p);
    o_.answer_.write(0, p + http2::kFrameHeaderSize, body);
    window_ -= body;
    put_trailers(stream);
  }

  void put_trailers(uint32_t stream) {
    const buf::View block = trailers_block();
    put_frame(tcp_->send_queue(), o_.memory_.hold(),
              {static_cast<uint32_t>(block.size()), FrameType::kHeaders,
               http2::kFlagEndHeaders | http2::kFlagEndStream, stream},
              block);
  }

  // Large answers, a frame each in turn, as far as the flow-control windows and TCP's space go. TCP
  // calls on_writable only after its space was used up, so no other limit may end the loop.
  void send_answers() {
    size_t stuck = 0;
    while (!answers_.empty() && stuck < answers_.size() && window_ > 0 && tcp_->send_space() > 0) {
      Answer a = answers_.front();
      answers_.pop_front();
      const auto n = static_cast<uint32_t>(std::min<int64_t>(
          {a.window, window_, http2::kDefaultMaxFrameSize, o_.plan_.answer_bytes - a.sent}));
      if (n == 0) {
        ++stuck;
        answers_.push_back(a);
        continue;
      }
      stuck = 0;
      put_data(a, n);
      if (a.sent == o_.plan_.answer_bytes)
        put_trailers(a.stream);
      else
        answers_.push_back(a);
    }
  }

  void put_data(Answer& a, uint32_t n) {
    buf::Queue& q = tcp_->send_queue();
    a.window -= n;
    window_ -= n;
    uint8_t* header = q.append_space(http2::kFrameHeaderSize, o_.memory_.hold());
    if (header == nullptr) return;
    FrameHeader{n, FrameType::kData, 0, a.stream}.emit(header);
    while (n > 0) {
      // The first bytes are gRPC's prefix and differ from the period.
      const uint32_t phase = a.sent % Body::kPeriod;
      uint32_t take;
      if (a.sent < Body::kPeriod) {
        take = std::min(n, Body::kPeriod - phase);
        uint8_t* p = q.append_space(take, o_.memory_.hold());
        if (p == nullptr) return;
        o_.answer_.write(a.sent, p, take);
      } else {
        take = std::min(n, o_.period_.size() - phase);
        q.append(o_.period_.share(phase, take));
      }
      a.sent += take;
      n -= take;
    }
  }

  Pods& o_;
  tcp::Connection* tcp_;
  http2::hpack::Decoder decoder_;
  FrameReader reader_;
  ExpectedBlock expected_;
  std::array<Request, kRequests> requests_{};
  std::deque<Answer> answers_;
  int64_t initial_window_ = http2::kDefaultWindow;
  int64_t window_ = http2::kDefaultWindow;  // of the connection
  uint32_t received_ = 0;
  bool said_headers_ = false;
  bool said_trailers_ = false;
};

Pods::Pods(const Plan& plan, tcp::Stack& tcp, buf::Memory& memory, uint16_t port)
    : plan_(plan), memory_(memory), period_(memory.hold().alloc()) {
  period_.grow_back(2 * Body::kPeriod);
  std::memcpy(period_.mutable_data(), answer_.periods(), 2 * Body::kPeriod);
  tcp.listen({{}, port}, this);
}

Pods::~Pods() = default;

tcp::User* Pods::on_accept(tcp::Connection& c) {
  return connections_.emplace_back(std::make_unique<Connection>(*this, c)).get();
}

}  // namespace sluice::load
