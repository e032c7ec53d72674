#include "clients.h"

#include <algorithm>
#include <array>

#include "frames_out.h"

namespace sluice::load {

namespace {

using http2::FrameHeader;
using http2::FrameType;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr size_t kCalls = 256;  // streams of a connection that may be remembered at once

}  // namespace

class Clients::Connection final : public tcp::User {
 public:
  explicit Connection(Clients& o) : o_(o) {}

  void open(const Address& from) {
    blocks_.emplace(o_.recording_);
    decoder_.emplace(o_.hpack_);
    reader_ = {};
    headers_.forget();
    trailers_.forget();
    next_stream_ = 1;
    window_ = http2::kDefaultWindow;
    received_ = 0;
    closing_ = false;
    calls_.fill({});
    tcp_ = o_.tcp_.connect({from, 0}, o_.target_, this, o_.now_);
    if (tcp_ == nullptr) {
      ++o_.tally_.errors;
      o_.to_open_.push_back(this);
    }
  }

  // A call that was due at `due`. False: no room for one.
  bool begin(Time due) {
    if (!ready_ || closing_ || in_flight_ >= o_.plan_.streams ||
        window_ < int64_t{o_.plan_.request_bytes})
      return false;
    Call& call = call_of(next_stream_);
    if (call.stream != 0) return false;
    buf::Queue& q = tcp_->send_queue();
    const buf::View block = blocks_->next();
    const auto block_bytes = static_cast<uint32_t>(block.size());
    const uint32_t body = o_.plan_.request_bytes;
    uint8_t* p =
        q.append_space(2 * http2::kFrameHeaderSize + block_bytes + body, o_.memory_.hold());
    if (p == nullptr) return false;
    FrameHeader{block_bytes, FrameType::kHeaders, http2::kFlagEndHeaders, next_stream_}.emit(p);
    p += http2::kFrameHeaderSize;
    std::memcpy(p, block.data(), block_bytes);
    p += block_bytes;
    FrameHeader{body, FrameType::kData, http2::kFlagEndStream, next_stream_}.emit(p);
    o_.request_.write(0, p + http2::kFrameHeaderSize, body);
    window_ -= body;
    call = {.stream = next_stream_, .began = due};
    next_stream_ += 2;
    ++in_flight_;
    ++o_.in_flight_;
    unsent_ = true;
    return true;
  }

  void push() {
    if (std::exchange(unsent_, false)) tcp_->push();
  }

  void fill() {
    if (o_.interval_ != Duration::zero() || o_.plan_.in_flight > 0) return;
    const unsigned allowed = o_.plan_.one_call_each ? 1 : o_.plan_.streams;
    if (o_.plan_.one_call_each && next_stream_ > 1) return;
    while (in_flight_ < allowed && begin(o_.now_)) {
    }
  }

  void abort() {
    if (tcp_ != nullptr) tcp_->abort();
  }

  // tcp::User
  void on_established(tcp::Connection& c) override {
    buf::Queue& q = c.send_queue();
    q.append_copy({reinterpret_cast<const uint8_t*>(kPreface.data()), kPreface.size()},
                  o_.memory_.hold());
    put_beginning(q, o_.memory_.hold());
    ready_ = true;
    ++o_.established_;
    unsent_ = true;
    fill();
    push();
  }
  void on_data(tcp::Connection& c, buf::Slice data) override {
    reader_.feed(data.view(), *this);
    c.consumed(data.size());
    if (received_ >= kGrant) {
      put_window_update(c.send_queue(), o_.memory_.hold(), 0, received_);
      received_ = 0;
      unsent_ = true;
    }
    if (o_.plan_.one_call_each && done_ && !closing_) {
      closing_ = true;
      push();
      c.close();
      return;
    }
    fill();
    push();
  }
  void on_end_of_data(tcp::Connection& c) override {
    if (!closing_) c.close();
  }
  void on_writable(tcp::Connection&) override {}
  void on_closed(tcp::Connection&, tcp::CloseReason reason) override {
    if (closing_ && reason == tcp::CloseReason::kFinished)
      ++o_.tally_.connections;
    else
      o_.tally_.errors += std::max(in_flight_, 1u);
    if (ready_) --o_.established_;
    o_.in_flight_ -= in_flight_;
    in_flight_ = 0;
    ready_ = false;
    done_ = false;
    unsent_ = false;
    tcp_ = nullptr;
    o_.to_open_.push_back(this);
  }

  // FrameReader
  void frame(const FrameHeader& h, buf::View payload) {
    switch (h.type) {
      case FrameType::kHeaders:
        return on_headers(h, payload);
      case FrameType::kSettings:
      case FrameType::kPing:
        put_acknowledgement(tcp_->send_queue(), o_.memory_.hold(), h, payload);
        unsent_ = true;
        return;
      case FrameType::kWindowUpdate:
        if (h.stream == 0) window_ += load_be32(payload.data());
        return;
      case FrameType::kRstStream:
        if (Call* call = find(h.stream)) end(*call, false);
        return;
      default:
        ++o_.tally_.errors;  // GOAWAY, and what a client never gets
    }
  }
  void data(const FrameHeader& h, buf::View piece, bool last) {
    received_ += static_cast<uint32_t>(piece.size());
    Call* call = find(h.stream);
    if (call == nullptr) return;
    if (!o_.answer_.is(call->received, piece)) call->good = false;
    call->received += static_cast<uint32_t>(piece.size());
    o_.tally_.body_bytes += piece.size();
    if (last && (h.flags & http2::kFlagEndStream) != 0) end(*call, false);  // no trailers
  }

 private:
  struct Call {
    uint32_t stream = 0;
    uint32_t received = 0;
    Time began{};
    bool good = true;
    bool answered = false;
  };

  Call& call_of(uint32_t stream) { return calls_[(stream >> 1) % kCalls]; }
  Call* find(uint32_t stream) {
    Call& call = call_of(stream);
    return call.stream == stream && stream != 0 ? &call : nullptr;
  }

  void on_headers(const FrameHeader& h, buf::View block) {
    const bool last = (h.flags & http2::kFlagEndStream) != 0;
    ExpectedBlock& expected = last ? trailers_ : headers_;
    bool good = expected.is(block);
    if (!good || ++o_.sample_ >= kSampled) {
      if (o_.sample_ >= kSampled) o_.sample_ = 0;
      good = decode(block) && good_fields(last);
      if (!good) o_.complaints_.about("an answer", h, block, o_.fields_);
      ++o_.tally_.decoded;
      if (changes_table(block)) {
        headers_.forget();
        trailers_.forget();
      } else if (good) {
        expected.learn(block);
      }
    }
    Call* call = find(h.stream);
    if (call == nullptr) return;
    if (!good) call->good = false;
    if (last)
      end(*call, call->answered && call->received == o_.plan_.answer_bytes);
    else
      call->answered = true;
  }

  bool decode(buf::View block) {
    o_.fields_.clear();
    return decoder_->decode(block, kMaxFieldBytes, o_.fields_) ==
           http2::hpack::Decoder::Result::kOk;
  }
  bool good_fields(bool last) const {
    if (last) return o_.fields_.find(http::Name::kGrpcStatus) == "0";
    return o_.fields_.find(http::Name::kStatus) == "200" &&
           o_.fields_.find(http::Name::kContentType) == "application/grpc";
  }

  void end(Call& call, bool complete) {
    if (complete && call.good) {
      ++o_.tally_.calls;
      o_.tally_.latencies.record(o_.now_ - call.began);
    } else {
      ++o_.tally_.errors;
    }
    call.stream = 0;
    --in_flight_;
    --o_.in_flight_;
    done_ = true;
  }

  Clients& o_;
  tcp::Connection* tcp_ = nullptr;
  std::optional<RequestBlocks> blocks_;
  std::optional<http2::hpack::Decoder> decoder_;
  FrameReader reader_;
  ExpectedBlock headers_;
  ExpectedBlock trailers_;
  uint32_t next_stream_ = 1;
  uint32_t received_ = 0;  // of DATA, not yet given back to the connection's window
  int64_t window_ = 0;     // of the connection, for requests
  unsigned in_flight_ = 0;
  bool ready_ = false;
  bool closing_ = false;
  bool done_ = false;    // a call has ended
  bool unsent_ = false;  // the queue grew since push()
  std::array<Call, kCalls> calls_{};
};

Clients::Clients(const Plan& plan, const Recording& recording, tcp::Stack& tcp, buf::Memory& memory,
                 std::vector<Address> addresses, const Endpoint& target)
    : plan_(plan),
      recording_(recording),
      tcp_(tcp),
      memory_(memory),
      addresses_(std::move(addresses)),
      target_(target) {
  for (unsigned i = 0; i < plan_.connections; ++i) {
    connections_.push_back(std::make_unique<Connection>(*this));
    to_open_.push_back(connections_.back().get());
  }
}

Clients::~Clients() = default;

void Clients::pace(double calls_per_s, Time now) {
  interval_ =
      calls_per_s > 0 ? Duration(static_cast<int64_t>(1e9 / calls_per_s)) : Duration::zero();
  next_due_ = now;
}

void Clients::turn(Time now) {
  now_ = now;
  if (!to_open_.empty()) {
    // What fails is put at the end again.
    for (size_t n = std::min(to_open_.size(), kOpenedATurn); n > 0; --n) {
      Connection* c = to_open_.front();
      to_open_.pop_front();
      c->open(addresses_[next_address_++ % addresses_.size()]);
    }
  }
  if (interval_ != Duration::zero()) {
    begin_due();
  } else if (plan_.in_flight > 0) {
    begin_limited();
  } else if (in_flight_ < plan_.connections * plan_.streams && !plan_.one_call_each &&
             now_ >= refill_at_) {
    refill_at_ = now_ + kRefillEvery;
    for (auto& c : connections_) {
      c->fill();
      c->push();
    }
  }
}

void Clients::begin_limited() {
  for (size_t refused = 0; in_flight_ < plan_.in_flight && refused < connections_.size();) {
    Connection& c = *connections_[next_connection_++ % connections_.size()];
    if (c.begin(now_)) {
      refused = 0;
      c.push();
    } else {
      ++refused;
    }
  }
}

void Clients::begin_due() {
  size_t refused = 0;
  while (next_due_ <= now_ && refused < connections_.size()) {
    Connection& c = *connections_[next_connection_++ % connections_.size()];
    if (c.begin(next_due_)) {
      next_due_ += interval_;
      refused = 0;
      c.push();
    } else {
      ++refused;
    }
  }
}

}  // namespace sluice::load
