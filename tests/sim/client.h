#pragma once
// A client's connection: makes calls, reads answers, and has its moods.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "peer.h"

namespace sluice::sim {

class Client final : public Peer {
 public:
  struct Manners {
    double cancels = 0;  // chance that a call is cancelled on the way
    double dawdles = 0;  // chance that a body is sent in pieces, with pauses
    double slow = 0;     // chance that an answer is read slowly
    size_t max_body = 40'000;
    size_t max_answer = 40'000;
  };

  Client(Stage& stage, const http2::Config& config, const Manners& manners, uint64_t seed)
      : Peer(stage, http2::Role::kClient, config), manners_(manners), random_(seed) {}

  // False when the connection takes no stream.
  bool call(Call& c) {
    if (!started() || going_away_ || !h2().can_open()) return false;
    c.client = this;
    c.grpc = random_.chance(0.8);
    c.size = random_.chance(0.3) ? 0 : random_.below(manners_.max_body);
    c.answer = random_.chance(0.2) ? 0 : random_.below(manners_.max_answer);
    http::FieldList f;
    f.add(http::Name::kMethod, "POST");
    f.add(http::Name::kScheme, "http");
    f.add(http::Name::kAuthority, "echo");
    f.add(http::Name::kPath, "/call/" + std::to_string(c.id));
    if (c.grpc) f.add(http::Name::kContentType, "application/grpc");
    f.add("x-size", std::to_string(c.size));
    f.add("x-answer", std::to_string(c.answer));
    http::Stream* s = h2().open(f, c.size == 0, &c);
    if (s == nullptr) return false;
    open_[&c] = s;
    if (c.size > 0) send_body(c, 0, random_.chance(manners_.dawdles));
    if (random_.chance(manners_.cancels))
      stage_.at(stage_.now() + Duration(static_cast<int64_t>(random_.below(60'000'000))),
                [this, &c] { cancel(c); });
    if (random_.chance(manners_.slow)) slow_[&c] = 0;
    return true;
  }
  void cancel(Call& c) {
    const auto open = open_.find(&c);
    if (!alive() || open == open_.end()) return;
    c.cancelled = true;
    http::Stream* s = open->second;
    forget(c);
    h2().reset(*s, http2::ErrorCode::kCancel);
  }
  void cancel_all() {
    while (alive() && !open_.empty()) cancel(*open_.begin()->first);
  }
  bool idle() const { return open_.empty(); }
  // The appliance asked to go elsewhere.
  bool going_away() const { return going_away_; }

  void on_headers(http::Stream& s, Section section, http::FieldList& fields, bool end) override {
    Call& c = live(s);
    if (section == Section::kInformational) return;
    if (section == Section::kResponse)
      c.http_status = std::string(fields.find(http::Name::kStatus).value_or(""));
    if (const auto status = fields.find(http::Name::kGrpcStatus)) c.grpc_status = *status;
    if (const auto text = fields.find(http::Name::kGrpcMessage)) c.message = *text;
    if (end) c.complete = true;
  }
  void on_data(http::Stream& s, buf::Slice data, bool end) override {
    Call& c = live(s);
    for (const uint8_t b : data.view())
      if (static_cast<char>(b) != response_byte(c.id, c.got++)) c.got_wrong = true;
    if (end) c.complete = true;
    const auto slow = slow_.find(&c);
    if (slow == slow_.end()) {
      if (data.size() > 0) h2().consumed(s, data.size());
      return;
    }
    // Takes what has come a while later.
    if (slow->second == 0)
      stage_.at(stage_.now() + std::chrono::milliseconds(30), [this, &c] { take(c); });
    slow->second += data.size();
  }
  void on_sent(http::Stream&, uint32_t) override {}
  void on_reset(http::Stream& s, http::EndReason reason, http::EndedBy by) override {
    Call& c = live(s);
    if (by != http::EndedBy::kPeer && !faulty())
      stage_.violation("the appliance broke the protocol on a stream");
    // After the whole answer it only says that the rest of the request is not wanted.
    if (!c.complete) {
      c.reset = true;
      c.code = http2::code_of(reason);
    }
    end(c);
  }
  void on_closed(http::Stream& s) override {
    Call& c = live(s);
    if (!c.complete) stage_.violation("a stream closed without an end");
    end(c);
  }
  void on_goaway(const http::Goaway& g) override {
    const uint32_t last = g.last_stream_id;
    going_away_ = true;
    if (g.reason != http::EndReason::kNoError && !faulty())
      stage_.violation(std::string("a client was accused: ") + g.code);
    // Above the last id nothing was processed: nobody here tries again.
    h2().for_each_stream([&](http::Stream& s) {
      if (s.id() != 0 && s.id() <= last) return;
      Call& c = live(s);
      c.reset = true;
      c.code = http2::ErrorCode::kRefusedStream;
      end(c);
      h2().reset(s, http2::ErrorCode::kCancel);
    });
  }

 private:
  static Call& live(http::Stream& s) { return *static_cast<Call*>(s.owner()); }
  void forget(Call& c) {
    open_.erase(&c);
    slow_.erase(&c);
  }
  void end(Call& c) {
    if (c.ended || c.cancelled || c.lost) stage_.violation("a call ended twice");
    c.ended = true;
    forget(c);
  }
  void on_lost(http::Stream& s) override {
    Call& c = live(s);
    c.lost = true;
    forget(c);
  }
  void on_peer_end() override {
    if (!faulty() && !going_away_) stage_.violation("a well-behaved client's connection was ended");
    if (!faulty() && !open_.empty()) stage_.violation("a connection was ended with calls on it");
  }
  void after_flush() override {
    if (going_away_ && open_.empty()) close();
  }
  void take(Call& c) {
    const auto slow = slow_.find(&c);
    if (slow == slow_.end() || !alive()) return;
    h2().consumed(*open_[&c], std::exchange(slow->second, 0));
  }
  void send_body(Call& c, size_t from, bool dawdle) {
    const auto open = open_.find(&c);
    if (!alive() || open == open_.end()) return;
    const size_t n = dawdle ? std::min<size_t>(c.size - from, 1 + random_.below(8'000)) : c.size;
    send_bytes(*open->second, from, n, from + n == c.size,
               [&](size_t at) { return request_byte(c.id, at); });
    if (from + n < c.size)
      stage_.at(stage_.now() + Duration(static_cast<int64_t>(random_.below(10'000'000))),
                [this, &c, next = from + n] { send_body(c, next, true); });
  }

  Manners manners_;
  Random random_;
  bool going_away_ = false;
  std::map<Call*, http::Stream*> open_;
  std::map<Call*, uint32_t> slow_;  // and how much waits to be taken
};

}  // namespace sluice::sim
